import AOFCore
import AOFManifest
import AOFSystem

/// The sealed chunks of one log that are in use, loaded from the manifest as they are asked for, and some that were.
///
/// Lock order: the table's lock, then a chunk's.
final class ChunkTable: Sendable {
  private struct State {
    var chunks: [ChunkID: SealedChunk] = [:]
    /// Counts the changes of the manifest's extents, so that a load that raced with one is repeated.
    var revision = 0
    /// Whether somebody was told that there are too many.
    var isCrowded = false
  }

  /// How many stay for who may ask for them again; a chunk of 64 MiB takes some 8 KiB of memory.
  static let kept = 256

  private let log: LogID
  private let chunkSize: ChunkSize
  private let manifest: Manifest
  private let state = Lock(State())
  /// Called, outside of all locks, when there are twice as many as are kept: ``unload()`` is to be called soon.
  let whenCrowded = Hook<Void>()

  init(log: LogID, chunkSize: ChunkSize, services: EngineServices) {
    self.log = log
    self.chunkSize = chunkSize
    manifest = services.manifest
  }

  /// The chunk with this id. - Throws: `corrupt`, local failures.
  func chunk(_ id: ChunkID) throws(AofError) -> SealedChunk {
    while true {
      let (known, revision) = state.withLock { ($0.chunks[id], $0.revision) }
      if let known { return known }
      let extents = try manifest.extents(of: log, in: chunkSize.chunkStart(id)..<chunkSize.chunkEnd(id))
      let (chunk, isCrowded) = state.withLock { state -> (SealedChunk?, Bool) in
        if let known = state.chunks[id] { return (known, false) }
        guard state.revision == revision else { return (nil, false) }
        let chunk = SealedChunk(id: id, extents: extents)
        state.chunks[id] = chunk
        guard state.chunks.count >= 2 * Self.kept, !state.isCrowded else { return (chunk, false) }
        state.isCrowded = true
        return (chunk, true)
      }
      if isCrowded { whenCrowded(()) }
      if let chunk { return chunk }
    }
  }

  /// Lets go of chunks that nobody uses, and of which the manifest knows all that need be known, until `limit` are left.
  func unload(downTo limit: Int = kept) {
    state.withLock { state in
      state.isCrowded = false
      for id in Array(state.chunks.keys) where state.chunks.count > limit {
        guard let index = state.chunks.index(forKey: id) else { continue }
        // Who holds the chunk goes on with it, and must not meet another one in its place.
        guard isKnownUniquelyReferenced(&state.chunks.values[index]), state.chunks.values[index].isAtRest else { continue }
        state.chunks.remove(at: index)
      }
    }
  }

  /// Adds extents that the manifest has now. `verifiedFrom`: as ``SealedChunk/add(_:verifiedFrom:)``.
  func add(_ extents: [AofChunkRecord], verifiedFrom lsn: LSN) {
    state.withLock { state in
      state.revision += 1
      for extent in extents { state.chunks[extent.chunk]?.add(extent, verifiedFrom: lsn) }
    }
  }

  /// Adds an object that the manifest has now.
  func setObject(_ object: StoredObject, of extent: AofChunkRecord) {
    state.withLock { state in
      state.revision += 1
      state.chunks[extent.chunk]?.setObject(object, of: extent)
    }
  }

  /// Puts a merged extent, which the manifest has now, in the place of those that it is made of.
  func merge(into extent: AofChunkRecord) {
    state.withLock { state in
      state.revision += 1
      state.chunks[extent.chunk]?.merge(into: extent)
    }
  }

  /// Lets go of what the manifest has no more below `head`; `kept` is the extent that the head lies in.
  /// - Returns: the chunks that lost bytes.
  func trim(below head: LSN, keeping kept: AofChunkRecord?) -> [SealedChunk] {
    let last = chunkSize.chunkID(for: head)
    return state.withLock { state in
      state.revision += 1
      let affected = state.chunks.values.filter { $0.id <= last }
      for chunk in affected {
        chunk.trim(below: head, keeping: kept?.chunk == chunk.id ? kept : nil)
        if chunk.id < last { state.chunks[chunk.id] = nil }
      }
      return affected
    }
  }

  /// Lets go of what the manifest has no more past `lsn`; `kept` is the extent that was split there. The chunks stay:
  /// they will be used again, and who holds them now holds them then.
  /// - Returns: the chunks that lost bytes.
  func cut(at lsn: LSN, keeping kept: AofChunkRecord?) -> [SealedChunk] {
    let first = chunkSize.chunkID(for: lsn)
    return state.withLock { state in
      state.revision += 1
      let affected = state.chunks.values.filter { $0.id >= first }
      for chunk in affected { chunk.cut(at: lsn, keeping: kept?.chunk == chunk.id ? kept : nil) }
      return affected
    }
  }

  /// All chunks in use.
  var loaded: [SealedChunk] { state.withLock { Array($0.chunks.values) } }
}
