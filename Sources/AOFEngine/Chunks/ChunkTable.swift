import AOFCore
import AOFManifest
import Synchronization

/// The sealed chunks of one log that are in use, loaded from the manifest as they are asked for.
final class ChunkTable: Sendable {
  private let log: LogID
  private let chunkSize: ChunkSize
  private let manifest: Manifest
  private let chunks = Mutex<[ChunkID: SealedChunk]>([:])

  init(log: LogID, chunkSize: ChunkSize, services: EngineServices) {
    self.log = log
    self.chunkSize = chunkSize
    manifest = services.manifest
  }

  /// The chunk with this id. - Throws: `corrupt`, local failures.
  func chunk(_ id: ChunkID) throws(AofError) -> SealedChunk {
    if let known = loaded(id) { return known }
    let extents = try manifest.extents(of: log, in: chunkSize.chunkStart(id)..<chunkSize.chunkEnd(id))
    return chunks.withLock { chunks in
      if let known = chunks[id] { return known }
      let chunk = SealedChunk(id: id, extents: extents)
      chunks[id] = chunk
      return chunk
    }
  }

  /// The chunk, if it is in use.
  func loaded(_ id: ChunkID) -> SealedChunk? { chunks.withLock { $0[id] } }

  /// All chunks in use.
  var loaded: [SealedChunk] { chunks.withLock { Array($0.values) } }
}
