import AOFCore
import AOFFormat
import AOFSystem

/// Checksums of the unsealed part of a log, computed as bytes are appended, so that a frame's checksum covers
/// what the caller handed in and not what a disk returned later.
struct FrameAccumulator: Sendable {
  /// Where the first frame begins.
  private(set) var start: LSN
  /// Where the last one ends.
  private(set) var end: LSN
  /// INVARIANT: all but the last end on the frame grid; lengths add up to `end - start`.
  private var frames: [FrameRecord]

  init(start: LSN, frames: [FrameRecord] = []) {
    self.start = start
    self.frames = frames
    end = start + frames.reduce(0) { $0 + Int($1.length) }
  }

  /// Continues with bytes that were appended at ``end``.
  mutating func append(_ bytes: UnsafeRawBufferPointer, time: UnixTime) {
    var rest = bytes
    while !rest.isEmpty {
      let offset = Int(end.rawValue % UInt64(Limits.frameSize))
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(Limits.frameSize - offset))
      if offset == 0 || frames.isEmpty {
        frames.append(FrameRecord(length: 0, checksum: 0, time: time))
      }
      let last = frames.count - 1
      frames[last].checksum = CRC32C.checksum(piece, continuing: frames[last].checksum)
      frames[last].length += UInt32(piece.count)
      end = end + piece.count
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(piece.count))
    }
  }

  /// Continues with a record that was appended at ``end``.
  mutating func append(_ record: AppendRecord, _ kind: WALFrameHeader.Kind, time: UnixTime) {
    switch kind {
    case .inline: append(record.payload, time: time)
    case .indirect: append(record.payload, pieces: record.body, time: time)
    }
  }

  /// Continues with bytes whose pieces have the checksums in `pieces`: where a piece begins a frame nothing is computed.
  mutating func append(_ bytes: UnsafeRawBufferPointer, pieces: UnsafeRawBufferPointer, time: UnixTime) {
    var offset = 0
    for index in 0..<(pieces.count / 4) {
      let piece = WALFormat.firstPiece(of: end..<(end + (bytes.count - offset)))
      let payload = UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + piece.byteCount)])
      offset += piece.byteCount
      if frames.isEmpty || piece.lowerBound.rawValue % UInt64(Limits.frameSize) == 0 {
        frames.append(
          FrameRecord(length: UInt32(piece.byteCount), checksum: pieces.number(at: index * 4), time: time))
        end = piece.upperBound
      } else {
        append(payload, time: time)
      }
    }
  }

  /// The frames from ``start`` to `lsn`, which is ``end`` or on the frame grid.
  func frames(upTo lsn: LSN) -> ArraySlice<FrameRecord> {
    var position = start
    var count = 0
    while count < frames.count, position < lsn {
      position = position + Int(frames[count].length)
      count += 1
    }
    assert(position == lsn, "frames are cut at the end or on the grid")
    return frames[..<count]
  }

  /// What goes on from `lsn`, which is ``end`` or on the frame grid.
  func continued(from lsn: LSN) -> FrameAccumulator {
    FrameAccumulator(start: lsn, frames: Array(frames[frames(upTo: lsn).endIndex...]))
  }
}
