/// The name of one log or directory within its directory: any bytes but `/` and NUL, 1 to 255 of them,
/// and neither `.` nor `..`.
public struct EntryName: Hashable, Sendable {
  public let bytes: [UInt8]

  /// - Throws: `nameTooLong`; `invalidArgument` for an empty or impossible name.
  public init(_ bytes: [UInt8]) throws(AofError) {
    guard bytes.count <= Limits.nameLength else {
      throw AofError(
        .nameTooLong, "a name of \(bytes.count) bytes is too long",
        remedy: "use at most \(Limits.nameLength) bytes")
    }
    guard !bytes.isEmpty, bytes != Array(".".utf8), bytes != Array("..".utf8),
      !bytes.contains(UInt8(ascii: "/")), !bytes.contains(0)
    else {
      throw AofError(
        .invalidArgument, "'\(String(decoding: bytes, as: UTF8.self))' is not possible as a name",
        remedy: "use any bytes but '/' and NUL, and neither '.' nor '..'")
    }
    self.bytes = bytes
  }

  public init(_ text: String) throws(AofError) { try self.init(Array(text.utf8)) }
}

extension EntryName: CustomStringConvertible {
  public var description: String { String(decoding: bytes, as: UTF8.self) }
}

extension EntryName: Comparable {
  public static func < (lhs: EntryName, rhs: EntryName) -> Bool {
    lhs.bytes.lexicographicallyPrecedes(rhs.bytes)
  }
}

/// The path of a log or directory below the root of its store: names joined by `/`.
public struct LogPath: Hashable, Sendable {
  /// From the root down; empty for the root itself.
  public let names: [EntryName]

  public init(names: [EntryName]) { self.names = names }

  /// Splits at `/`; empty parts (leading, doubled and trailing slashes) mean nothing.
  ///
  /// - Throws: as ``EntryName/init(_:)-([UInt8])``; `nameTooLong` for a path past PATH_MAX.
  public init(_ bytes: some Collection<UInt8>) throws(AofError) {
    guard bytes.count <= Limits.pathLength else {
      throw AofError(
        .nameTooLong, "a path of \(bytes.count) bytes is too long",
        remedy: "use at most \(Limits.pathLength) bytes")
    }
    try self.init(stored: bytes)
  }

  /// As above, of any length: a program that goes down from directory to directory makes longer paths than it can name.
  package init(stored bytes: some Collection<UInt8>) throws(AofError) {
    var names: [EntryName] = []
    for part in bytes.split(separator: UInt8(ascii: "/")) { names.append(try EntryName(Array(part))) }
    self.names = names
  }

  public init(_ text: String) throws(AofError) { try self.init(Array(text.utf8)) }

  /// The path's bytes, without a leading slash.
  public var bytes: [UInt8] { Array(names.map(\.bytes).joined(separator: [UInt8(ascii: "/")])) }
}

extension LogPath: CustomStringConvertible, Comparable {
  public var description: String { String(decoding: bytes, as: UTF8.self) }
  public static func < (lhs: LogPath, rhs: LogPath) -> Bool { lhs.names.lexicographicallyPrecedes(rhs.names) }
}
