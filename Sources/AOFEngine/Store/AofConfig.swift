import AOFCore

/// How to create a log. What is nil is as the store has it.
public struct AofConfig: Sendable {
  /// The log's path below the root of its store; directories on the way are created.
  public var name: String
  /// Fixed for the log's life.
  public var chunkSize: ChunkSize?
  /// Permission bits of the log.
  public var mode: UInt32 = 0o640
  /// Where the log's chunk files lie; nil for the store's own directory.
  public var dataDirectory: String?
  /// Where the log's WAL lies; nil for the store's. Logs with the same directory share one WAL.
  public var walDirectory: String?

  public init(
    name: String, chunkSize: ChunkSize? = nil, dataDirectory: String? = nil, walDirectory: String? = nil
  ) {
    self.name = name
    self.chunkSize = chunkSize
    self.dataDirectory = dataDirectory
    self.walDirectory = walDirectory
  }
}
