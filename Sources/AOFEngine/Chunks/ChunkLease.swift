import AOFCore

/// A hold on a chunk: for as long as it lives, nothing of the chunk is evicted.
///
/// Held for the length of one request, or while the chunk is an open cursor's current one; never for as long as a
/// file is open.
public struct ChunkLease: ~Copyable, Sendable {
  let chunk: SealedChunk

  init(_ chunk: SealedChunk) {
    self.chunk = chunk
    chunk.state.withLock { $0.leases += 1 }
  }

  /// The chunk that is held.
  public var id: ChunkID { chunk.id }

  /// Holds the chunk while `body` runs.
  static func holding<Result>(
    _ chunk: SealedChunk, _ body: () throws(AofError) -> Result
  ) throws(AofError) -> Result {
    let lease = ChunkLease(chunk)
    let result = try body()
    _ = consume lease
    return result
  }

  deinit { chunk.state.change { $0.leases -= 1 } }
}
