import AOFCore

/// How a store is to be recovered.
public struct RecoverOptions: Sendable {
  /// Where the remote is; nil for what the damaged manifest says, or `STORE/remote` if there is one.
  public var remote: String?
  /// Where the recovered store is to be made; nil for the place of the old one.
  public var into: String?
  /// Where the WAL was put when the store was created; nil for what the damaged manifest says, or `STORE/wal`.
  public var walDirectory: String?

  public init() {}
}

/// What a recovery came to.
public struct RecoverReport: Sendable {
  /// One log that was recovered.
  public struct Log: Hashable, Sendable {
    public let path: LogPath
    public let id: LogID
    public let head: LSN
    /// Everything below can be read from the remote.
    public let remote: LSN
    public let tail: LSN
  }

  /// Where the store is.
  public internal(set) var store: String
  /// The manifest was sound, and nothing was done.
  public internal(set) var wasSound = false
  /// In the order of their paths.
  public internal(set) var logs: [Log] = []
  /// Where the old manifest is kept; nil if there was none.
  public internal(set) var oldManifest: String?
  /// What was found on the way, what was left out and where it is kept.
  public internal(set) var notes: [String] = []
}
