import AOFCore

/// One append-only log.
public final class Aof: Sendable {
  public let id: LogID
  public let chunkSize: ChunkSize

  init(id: LogID, chunkSize: ChunkSize) {
    self.id = id
    self.chunkSize = chunkSize
  }

  // MARK: Appending. Blocks on local disk I/O only.

  /// Appends the bytes as one unit and returns the LSN of the first. They are in the WAL file when it returns.
  public func append(_ bytes: UnsafeRawBufferPointer) throws(AofError) -> LSN { fatalError() }
  public func append(_ bytes: [UInt8]) throws(AofError) -> LSN { fatalError() }

  /// Appends only if the tail is at `expected`. - Throws: `notAtTail`, and as ``append(_:)``.
  package func append(_ bytes: UnsafeRawBufferPointer, at expected: LSN) throws(AofError) { fatalError() }

  /// Makes all that was appended before the call survive power loss. With nothing new it does nothing.
  public func sync() throws(AofError) { fatalError() }

  /// Seals up to the tail; nil when there is nothing to seal.
  public func sealTail() throws(AofError) -> Range<LSN>? { fatalError() }

  // MARK: The remote. Blocks on the network: never call on a FUSE thread.

  /// Seals, uploads what the remote lacks and publishes it. Returns the remote LSN.
  public func checkpoint() throws(AofError) -> LSN { fatalError() }

  /// Frees the local copies of what the remote holds, but for the last `bytes` of the log. Returns the bytes freed.
  public func evict(keepingLast bytes: Int = 0) throws(AofError) -> ByteCount { fatalError() }

  /// Brings back what is evicted of a range (nil: of the whole log). Returns the bytes fetched.
  public func hydrate(_ range: Range<LSN>? = nil) throws(AofError) -> ByteCount { fatalError() }

  // MARK: Reading

  /// - Throws: `invalidArgument` past the tail.
  public func openCursor(at lsn: LSN = .zero) throws(AofError) -> AofCursor { fatalError() }

  /// Brings back the frames of `range` in the background, then calls `whenDone` once, on a hydrator thread.
  package func hydrate(
    _ range: Range<LSN>, whenDone: @escaping @Sendable (Result<Void, AofError>) -> Void
  ) { fatalError() }

  // MARK: What it is

  public var watermarks: Watermarks { fatalError() }
  public var generation: Generation { fatalError() }
  /// Bytes that the log takes on the local disk.
  package var localBytes: ByteCount { fatalError() }
  /// When the last append was made.
  package var modificationTime: UnixTime { fatalError() }
  /// Why the log takes no appends, if so.
  package var failure: AofError? { fatalError() }
  /// The remote objects that hold the log, in the order of their LSNs.
  public func objects() throws(AofError) -> [RemoteObjectRecord] { fatalError() }
  /// Every sealed extent, in the order of their LSNs.
  public func extents() throws(AofError) -> [ExtentRecord] { fatalError() }
  /// Checks every sealed frame on the local disk against its checksum, and with `remote` every object.
  public func verify(remote: Bool = false) throws(AofError) -> VerifyReport { fatalError() }
}

/// The five watermarks of a log: `remote <= sealed <= durable <= tail` and `head <= sealed`.
public struct Watermarks: Hashable, Sendable {
  public var head: LSN
  public var remote: LSN
  public var sealed: LSN
  public var durable: LSN
  public var tail: LSN
}

/// One object of the remote.
public struct RemoteObjectRecord: Hashable, Sendable {
  public let key: String
  public let range: Range<LSN>
  public let size: ByteCount
}

public enum ChunkResidency: String, Hashable, Sendable, Codable { case resident, partial, evicted }

/// One sealed extent of a log.
public struct ExtentRecord: Hashable, Sendable {
  public let chunk: ChunkID
  public let range: Range<LSN>
  public let residency: ChunkResidency
  public let object: RemoteObjectRecord?
  public let sealedAt: UnixTime
}

/// What a verification found.
public struct VerifyReport: Hashable, Sendable {
  public var framesChecked: Int = 0
  public var objectsChecked: Int = 0
  /// One line for each damaged thing, naming file or object, range and what was expected.
  public var problems: [String] = []
}
