import Glibc

/// The flags of open(2), as a handle has them now.
package struct OpenFlags: RawRepresentable, Hashable, Sendable {
  package let rawValue: Int32

  package init(rawValue: Int32) { self.rawValue = rawValue }

  package var canWrite: Bool { rawValue & O_ACCMODE != O_RDONLY }
  package var canRead: Bool { rawValue & O_ACCMODE != O_WRONLY }
  package var appends: Bool { rawValue & O_APPEND != 0 }
  package var truncates: Bool { rawValue & O_TRUNC != 0 }
  package var isExclusive: Bool { rawValue & O_EXCL != 0 }
  /// O_DSYNC, and O_SYNC, which contains it.
  package var syncsEachWrite: Bool { rawValue & O_DSYNC != 0 }
  /// Whether a read or write that cannot be answered at once is to fail.
  package var neverWaits: Bool { rawValue & O_NONBLOCK != 0 }
  /// The reader asked for no page cache.
  package var isDirect: Bool { rawValue & O_DIRECT != 0 }
}

/// The flags of renameat2(2).
package struct RenameFlags: RawRepresentable, Hashable, Sendable {
  package let rawValue: UInt32

  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let noReplace = RenameFlags(rawValue: 1)

  package var keepsTarget: Bool { rawValue & RenameFlags.noReplace.rawValue != 0 }
  /// Exchanging two names and whiteouts are not for logs.
  package var isSupported: Bool { rawValue & ~RenameFlags.noReplace.rawValue == 0 }
}
