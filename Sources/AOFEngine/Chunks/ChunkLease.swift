import AOFCore

/// A hold on a chunk: for as long as it lives, nothing of the chunk is evicted, and a truncation that takes bytes of it
/// waits, if it was asked for after the lease was taken.
///
/// Held for the length of one request, or while the chunk is an open cursor's current one; never for as long as a
/// file is open.
public struct ChunkLease: ~Copyable, Sendable {
  let chunk: SealedChunk
  private let number: UInt64

  init(_ chunk: SealedChunk) {
    self.chunk = chunk
    number = chunk.beginLease()
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

  deinit { chunk.endLease(number) }
}
