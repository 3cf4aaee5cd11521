import AOFCore
import AOFFormat
import AOFManifest

extension Aof {
  /// Seals up to the tail, uploads what the remote lacks and publishes it. Waits for the remote.
  /// - Returns: everything below this LSN can now be read from the remote alone.
  /// - Throws: `remoteFailure`, `fenced`, local failures; what was sealed stays sealed.
  @discardableResult
  public func checkpoint() throws(AofError) -> LSN {
    try services.checkpointer.checkpoint([Checkpointer.Request(log: self)])[id]?.get() ?? watermarks.remote
  }

  /// The remote objects that hold the log, in the order of their LSNs: decompressed one after the other they are
  /// the log up to its remote LSN.
  public func objects() throws(AofError) -> [RemoteObjectRecord] { try extents().compactMap(\.object) }

  /// Every sealed extent, in the order of their LSNs.
  public func extents() throws(AofError) -> [ExtentRecord] {
    var extents: [ExtentRecord] = []
    try forEachSealedChunk { chunk in
      extents += chunk.extents.map { extent in
        ExtentRecord(
          chunk: chunk.id, range: extent.record.range, residency: extent.residency,
          object: extent.record.object.map {
            RemoteObjectRecord(key: $0.key, range: extent.record.range, size: ByteCount(rawValue: $0.size))
          }, sealedAt: extent.record.sealedAt)
      }
    }
    return extents
  }
}

/// One object of the remote.
public struct RemoteObjectRecord: Hashable, Sendable {
  /// Its name below the remote's prefix.
  public let key: String
  /// The bytes of log that it holds.
  public let range: Range<LSN>
  /// Its size in the remote.
  public let size: ByteCount
}

/// One sealed extent of a log.
public struct ExtentRecord: Hashable, Sendable {
  public let chunk: ChunkID
  public let range: Range<LSN>
  public let residency: ChunkResidency
  /// Nil until it is published.
  public let object: RemoteObjectRecord?
  public let sealedAt: UnixTime
}
