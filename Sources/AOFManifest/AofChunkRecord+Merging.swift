import AOFCore
import AOFFormat
import AOFSystem

extension AofChunkRecord {
  /// Whether `next` goes on where this extent ends, so that one object can hold both: in the same chunk, and bytes of the
  /// same generation.
  package func isContinued(by next: AofChunkRecord) -> Bool {
    log == next.log && chunk == next.chunk && generation == next.generation && range.upperBound == next.range.lowerBound
  }

  /// The one extent that extents make which continue each other; nil if there are none, or they do not.
  ///
  /// Where two of them share a cell of the grid, their frames become one: it is resident if both are, its checksum follows
  /// from theirs, and its time is the first one's.
  package static func merged(_ parts: [AofChunkRecord]) -> AofChunkRecord? {
    guard let first = parts.first, let last = parts.last, zip(parts, parts.dropFirst()).allSatisfy({ $0.isContinued(by: $1) })
    else { return nil }
    var frames: [FrameRecord] = []
    var residency: [Bool] = []
    for part in parts {
      var rest = part.frames.indices
      if !part.range.lowerBound.rawValue.isMultiple(of: UInt64(Limits.frameSize)), let index = frames.indices.last {
        frames[index].append(part.frames[rest.removeFirst()])
        residency[index] = residency[index] && part.residency[0]
      }
      for index in rest {
        frames.append(part.frames[index])
        residency.append(part.residency[index])
      }
    }
    var map = Bitmap(count: frames.count, filled: false)
    for (index, isResident) in residency.enumerated() { map[index] = isResident }
    return AofChunkRecord(
      log: first.log, chunk: first.chunk, range: first.range.lowerBound..<last.range.upperBound,
      generation: first.generation, frames: frames, sealedAt: last.sealedAt, residency: map)
  }
}

extension FrameRecord {
  /// Takes in the frame that follows in the same cell of the grid.
  fileprivate mutating func append(_ next: FrameRecord) {
    checksum = CRC32C.combined(checksum, next.checksum, count: Int(next.length))
    length += next.length
  }
}
