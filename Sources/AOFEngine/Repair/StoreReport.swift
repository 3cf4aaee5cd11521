import AOFCore
import AOFManifest

/// What a verification found.
public struct VerifyReport: Hashable, Sendable {
  public var framesChecked = 0
  public var objectsChecked = 0
  /// One line for each damaged thing, naming where it is and what was expected.
  public var problems: [String] = []

  public init() {}
}

/// What a verification of a whole store found.
public struct StoreReport: Sendable {
  /// The logs, in the order of their paths.
  public internal(set) var logs: [(id: LogID, path: LogPath, report: VerifyReport)] = []
  /// Damage of what no single log has for itself. One line for each thing.
  public internal(set) var problems: [String] = []
  /// What is no damage and worth knowing: a torn end of the WAL, objects that nothing names.
  public internal(set) var notes: [String] = []
  /// What a repair changed.
  public internal(set) var repaired: [String] = []
  /// What a repair left as it is, and why.
  public internal(set) var left: [String] = []

  /// Whether nothing is damaged.
  public var isGood: Bool { problems.isEmpty && logs.allSatisfy { $0.report.problems.isEmpty } }
}

/// How a store is to be verified.
public struct VerifyOptions: Sendable {
  /// Of the logs, only this one; the rest of the store is checked all the same.
  public var log: LogPath?
  /// Whether the chain and every object of the remote are read too.
  public var remote = false
  /// Whether what can be repaired without losing anything is repaired.
  public var repair = false

  public init() {}
}

/// Something that a repair may do, since nothing can be lost by it.
enum Remedy: Hashable {
  /// Bring a frame back whose bytes on the disk are wrong; the remote holds it.
  case refetch(AofChunkRecord, frame: Int)
  /// Count a frame as resident that is on the disk and nowhere else.
  case markResident(AofChunkRecord, frame: Int)
  /// Remove a file that holds nothing.
  case remove(String, what: String)
}
