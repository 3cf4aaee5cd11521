/// The number of a chunk in its log: `lsn / chunkSize`, by arithmetic alone.
public struct ChunkID: RawRepresentable, Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The reserved largest id: "the mutable region", never a sealed chunk.
  public static let tail = ChunkID(rawValue: .max)

  public static func < (lhs: ChunkID, rhs: ChunkID) -> Bool { lhs.rawValue < rhs.rawValue }

  public var description: String { self == .tail ? "tail" : String(rawValue) }
}

/// The permanent id of a log or directory: its inode number, never used twice in a store.
public struct NodeID: RawRepresentable, Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The directory that a mount point shows.
  public static let root = NodeID(rawValue: 1)

  /// What stands in the place of a directory for a log that is in the trash.
  package static let trash = NodeID(rawValue: 0)

  public static func < (lhs: NodeID, rhs: NodeID) -> Bool { lhs.rawValue < rhs.rawValue }

  public var description: String { String(rawValue) }
}

/// A log is a node of the name space; its id is the node's.
public typealias LogID = NodeID

/// Which life of the address space a byte belongs to: truncating a tail starts a new one, after which
/// an LSN may hold other bytes.
public struct Generation: RawRepresentable, Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
  public let rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let first = Generation(rawValue: 0)

  /// The next generation, or nil when the numbers are used up.
  public var next: Generation? { rawValue == .max ? nil : Generation(rawValue: rawValue + 1) }

  public static func < (lhs: Generation, rhs: Generation) -> Bool { lhs.rawValue < rhs.rawValue }

  public var description: String { String(rawValue) }
}
