import AOFCore
import AOFManifest
import AOFSystem

/// Adjacent frames of one object that one ranged read fetches, and their verified bytes for as long as somebody reads
/// them or they are not on the local disk.
final class Download: Sendable {
  /// One frame of one object. After a cut an LSN may have another; and a manifest that is damaged may give an object to two
  /// extents.
  struct FrameKey: Hashable {
    let object: String
    let log: LogID
    let start: LSN

    init(_ frame: SealedChunk.Frame, of log: LogID, in object: StoredObject) {
      self.object = object.key
      self.log = log
      start = frame.range.lowerBound
    }
  }

  let number: UInt64
  let log: Aof
  let chunk: SealedChunk
  let object: StoredObject
  /// At least one, each after the one before.
  let frames: [SealedChunk.Frame]
  /// Where in the object the frames lie.
  let compressed: Range<Int>
  /// Whose read-ahead it is; nil if somebody asked for the bytes.
  let reader: UInt64?
  private let memory = Lock<UnsafeMutableRawBufferPointer?>(nil)
  private let pool: BufferPool

  init(_ run: Run, number: UInt64, pool: BufferPool) {
    self.number = number
    self.pool = pool
    log = run.log
    chunk = run.chunk
    object = run.object
    frames = run.frames
    compressed = run.compressed
    reader = run.reader
  }

  deinit { free() }

  /// Bytes of log.
  var byteCount: Int { Run.byteCount(frames) }

  /// Memory for the bytes of all frames, one after the other. - Throws: `system(ENOMEM)`.
  func allocate() throws(AofError) -> UnsafeMutableRawBufferPointer {
    let new = try pool.take(byteCount)
    memory.withLock { $0 = new }
    return new
  }

  /// Gives the memory back; nobody may read it any more.
  func free() {
    if let buffer = memory.withLock({ $0.take() }) { pool.giveBack(buffer) }
  }

  /// The bytes of `range`, which lies in frames that are loaded. They stay while the caller keeps the download in memory.
  func bytes(of range: Range<LSN>) -> UnsafeRawBufferPointer? {
    guard let start = frames.first?.range.lowerBound, let end = frames.last?.range.upperBound, start <= range.lowerBound,
      range.upperBound <= end, let buffer = memory.withLock({ $0 })
    else { return nil }
    let offset = range.lowerBound - start
    return UnsafeRawBufferPointer(rebasing: buffer[offset..<(offset + range.byteCount)])
  }

  func key(_ frame: SealedChunk.Frame) -> FrameKey { FrameKey(frame, of: log.id, in: object) }
}

/// Frames of one object in their order that are to be downloaded.
struct Run: Sendable {
  let log: Aof
  let chunk: SealedChunk
  let object: StoredObject
  var frames: [SealedChunk.Frame]
  /// As in ``Download``.
  var reader: UInt64?

  static func byteCount(_ frames: [SealedChunk.Frame]) -> Int { frames.reduce(0) { $0 + $1.range.byteCount } }

  /// Where in the object the frames lie, with what lies between them. `plan` sees to it that the object has them.
  var compressed: Range<Int> {
    guard let first = frames.first, let last = frames.last else { return 0..<0 }
    let start = object.frameLengths[..<first.index].reduce(0) { $0 + Int($1) }
    return start..<object.frameLengths[first.index...last.index].reduce(start) { $0 + Int($1) }
  }

  /// The memory that it takes while it is downloaded, in bytes.
  var cost: Int { Self.byteCount(frames) + compressed.count }

  /// The pieces of at most `length` frames without a gap between them.
  func contiguous(upTo length: Int) -> [Run] {
    var pieces: [Run] = []
    for frame in frames {
      if let last = pieces.last?.frames.last, last.index + 1 == frame.index,
        pieces[pieces.count - 1].frames.count < length
      {
        pieces[pieces.count - 1].frames.append(frame)
      } else {
        pieces.append(Run(log: log, chunk: chunk, object: object, frames: [frame], reader: reader))
      }
    }
    return pieces
  }

  /// The cold frames of a range, by object.
  /// - Throws: `corrupt` if they are nowhere.
  static func plan(_ log: Aof, _ range: Range<LSN>, reader: UInt64? = nil) throws(AofError) -> [Run] {
    var runs: [Run] = []
    let marks = log.watermarks
    let wanted = range.clamped(to: marks.head..<marks.sealed)
    var position = wanted.lowerBound
    while position < wanted.upperBound {
      let span = log.chunkSize.firstSpan(of: position..<wanted.upperBound)
      let chunk = try log.chunks.chunk(log.chunkID(for: position))
      for frame in chunk.coldFrames(in: span) {
        guard let object = frame.object else {
          throw AofError(
            .corrupt, "LSN \(frame.range.lowerBound) of log \(log.id) is neither on the local disk nor in the remote")
        }
        guard object.frameLengths.indices.contains(frame.index) else {
          throw AofError(.corrupt, "\(object.key) has fewer frames than its extent")
        }
        if let last = runs.last, last.object.key == object.key {
          runs[runs.count - 1].frames.append(frame)
        } else {
          runs.append(Run(log: log, chunk: chunk, object: object, frames: [frame], reader: reader))
        }
      }
      position = span.upperBound
    }
    return runs
  }
}
