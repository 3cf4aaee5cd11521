import AOFCore

/// What stat(2) shows of a node.
package struct FileAttributes: Hashable, Sendable {
  package enum Kind: Hashable, Sendable { case directory, regular }

  package var node: NodeID
  package var kind: Kind
  /// Permission bits, without the file type.
  package var permissions: UInt32
  package var links: UInt32
  package var userID: UInt32
  package var groupID: UInt32
  /// In bytes: the tail LSN of a log.
  package var size: UInt64 = 0
  /// In units of 512 bytes: what the log takes on the local disk.
  package var blocks: UInt64 = 0
  package var accessTime: UnixTime
  package var modificationTime: UnixTime
  package var changeTime: UnixTime
}

/// A node as the kernel is told of it, and for how long, in seconds, it may believe it.
package struct Entry: Hashable, Sendable {
  package var attributes: FileAttributes
  /// Another one than the kernel knows makes it give up the inode.
  package var generation: UInt32 = 0
  /// How long the name keeps leading to this node.
  package var nameValidity: Double
  package var attributeValidity: Double
}

extension Entry {
  /// A name changes only through the mount, where the kernel sees it, so an hour costs nothing and saves the
  /// look-ups. Names that control commands make are new ones, and missing names are never remembered.
  static let nameValidity: Double = 3600

  /// Size and times change through the mount alone too, but the blocks on the local disk come and go with
  /// sealing, hydration and eviction. A second bounds how far `du` lags behind, and costs a program that
  /// watches a log one GETATTR in a second.
  static let attributeValidity: Double = 1
}

/// The number of a task, that is a thread, of the operating system.
package struct TaskID: RawRepresentable, Hashable, Sendable {
  package let rawValue: Int32
  package init(rawValue: Int32) { self.rawValue = rawValue }

  /// A task that cannot be seen from here, or several.
  package static let unknown = TaskID(rawValue: 0)
}

/// What GETATTR or LOOKUP comes to.
package enum AttributeAnswer: Sendable {
  case now(Entry)
  /// The kernel has to be told of the size first.
  case later(Deferred<Entry>)
}

/// Who asks.
package struct Caller: Hashable, Sendable {
  package var userID: UInt32
  package var groupID: UInt32

  package init(userID: UInt32, groupID: UInt32) {
    self.userID = userID
    self.groupID = groupID
  }
}

/// What setattr is to change; nil is left alone.
package struct AttributeChange: Hashable, Sendable {
  package enum Time: Hashable, Sendable { case now, at(UnixTime) }

  package var permissions: UInt32?
  package var userID: UInt32?
  package var groupID: UInt32?
  package var size: UInt64?
  package var accessTime: Time?
  package var modificationTime: Time?
  /// Sent in writeback mode alone, where the kernel keeps the times.
  package var changeTime: UnixTime?

  /// Whether the kernel tells of the time of a write: it sets both times to that.
  var tellsOfWrite: Bool {
    guard let changeTime, modificationTime == .at(changeTime) else { return false }
    return permissions == nil && userID == nil && groupID == nil && size == nil && accessTime == nil
  }

  package init() {}
}

/// What statfs(2) shows.
package struct DiskStatus: Hashable, Sendable {
  /// In bytes; the counts of blocks are in this unit.
  package var blockSize: UInt64
  package var blocks: UInt64
  package var freeBlocks: UInt64
  package var availableBlocks: UInt64
  package var files: UInt64
  package var freeFiles: UInt64
  package var nameLength: UInt64
}
