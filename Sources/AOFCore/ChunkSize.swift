/// The size of a log's chunks: a power of two, fixed when the log is created, and with it the
/// arithmetic between LSNs and chunks.
public struct ChunkSize: Hashable, Sendable {
  /// log2 of the size in bytes.
  private let shift: UInt8

  /// - Throws: `invalidArgument` if `bytes` is no power of two from 128 KiB to 4 GiB.
  public init(_ bytes: ByteCount) throws(AofError) {
    let value = bytes.rawValue
    guard value.nonzeroBitCount == 1, (Limits.minimumChunkSize...Limits.maximumChunkSize).contains(bytes) else {
      throw AofError(
        .invalidArgument, "chunk size \(bytes) is not possible",
        remedy: "use a power of two from \(Limits.minimumChunkSize) to \(Limits.maximumChunkSize)")
    }
    shift = UInt8(value.trailingZeroBitCount)
  }

  private init(shift: UInt8) { self.shift = shift }

  /// 64 MiB.
  public static let standard = ChunkSize(shift: 26)

  /// 128 KiB, the smallest.
  public static let minimum = ChunkSize(shift: 17)

  public var byteCount: ByteCount { ByteCount(rawValue: 1 << UInt64(shift)) }

  /// The chunk that holds the byte at `lsn`.
  public func chunkID(for lsn: LSN) -> ChunkID { ChunkID(rawValue: lsn.rawValue >> UInt64(shift)) }

  /// The first LSN of the chunk. `chunk` must be one that ``chunkID(for:)`` can answer.
  public func chunkStart(_ chunk: ChunkID) -> LSN { LSN(rawValue: chunk.rawValue << UInt64(shift)) }

  /// The LSN after the last of the chunk.
  public func chunkEnd(_ chunk: ChunkID) -> LSN { LSN(rawValue: (chunk.rawValue &+ 1) << UInt64(shift)) }

  /// Where in its chunk the byte at `lsn` lies, in bytes.
  public func chunkOffset(for lsn: LSN) -> Int { Int(lsn.rawValue & ((1 << UInt64(shift)) - 1)) }

  /// The part of `range` that lies in the chunk of its first byte.
  public func firstSpan(of range: Range<LSN>) -> Range<LSN> {
    range.lowerBound..<min(range.upperBound, chunkEnd(chunkID(for: range.lowerBound)))
  }
}

extension ChunkSize: CustomStringConvertible {
  public var description: String { byteCount.description }
}
