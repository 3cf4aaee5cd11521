import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

/// Brings one log's tail back from the frames of its WAL.
struct TailReplay {
  /// What a frame is to its log.
  enum Decision: Hashable {
    /// It brings the next bytes of the log; a seal at a chunk boundary may have applied its first ones.
    case replay
    /// Applied already, or of a generation that ended.
    case skip
    /// Bytes before the frame are missing: they were in a damaged frame.
    case gap
  }

  private(set) var record: AofDescriptorRecord
  private(set) var modified = UnixTime(rawValue: 0)
  private var checksums: FrameAccumulator
  private var buffer: [UInt8] = []
  /// The LSN of the first byte in `buffer`.
  private var flushed: LSN

  private static let bufferSize = 1 << 20

  init(_ record: AofDescriptorRecord) {
    self.record = record
    checksums = FrameAccumulator(start: record.sealed, frames: record.appliedFrames)
    flushed = record.applied
  }

  /// The end of what is recovered so far.
  var tail: LSN { checksums.end }

  /// Whether anything was replayed, or the log was cut or damaged.
  var hasNews: Bool { tail > record.applied || wasChanged }
  private var wasChanged = false

  /// What to do with a frame of this log.
  func decide(_ frame: WALFrameHeader) -> Decision {
    let end = frame.lsn + Int(frame.length)
    if record.failure != nil || end <= tail { return .skip }
    if frame.generation != record.generation { return .skip }
    return frame.lsn <= tail ? .replay : .gap
  }

  /// Takes a frame for which ``decide(_:)`` said `replay`.
  /// - Returns: false if its payload is not in the chunk files as the frame says; then nothing was taken.
  mutating func replay(_ frame: SegmentScanner.Frame, into chunks: LocalChunkStore) throws(AofError) -> Bool {
    switch frame.header.kind {
    case .inline:
      let news = UnsafeRawBufferPointer(rebasing: frame.body.dropFirst(tail - frame.header.lsn))
      checksums.append(news, time: frame.header.time)
      buffer.append(contentsOf: news)
      if buffer.count >= Self.bufferSize { try flush(into: chunks) }
    case .indirect:
      try flush(into: chunks)
      guard try replayPieces(frame, into: chunks) else { return false }
    }
    modified = max(modified, frame.header.time)
    return true
  }

  /// Takes the pieces of an indirect frame past the tail, all or none. They are written again where they are: a page that
  /// looks clean may never have reached the disk, and only what is written anew is sure to be synced.
  private mutating func replayPieces(
    _ frame: SegmentScanner.Frame, into chunks: LocalChunkStore
  ) throws(AofError) -> Bool {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.frameSize, alignment: 4096)
    defer { buffer.deallocate() }
    var found = checksums
    var rest = frame.header.range
    var index = 0
    while !rest.isEmpty {
      let piece = WALFormat.firstPiece(of: rest)
      rest = piece.upperBound..<rest.upperBound
      defer { index += 1 }
      if piece.upperBound <= tail { continue }
      let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<piece.byteCount])
      do throws(AofError) {
        try chunks.read(into: bytes, of: record.id, at: piece.lowerBound, chunkSize: record.chunkSize)
      } catch where error.code == .corrupt {
        return false
      }
      guard CRC32C.checksum(UnsafeRawBufferPointer(bytes)) == frame.body.number(at: index * 4) else { return false }
      let start = max(tail, piece.lowerBound)
      let news = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(start - piece.lowerBound))
      found.append(news, time: frame.header.time)
      try chunks.write(news, of: record.id, at: start, chunkSize: record.chunkSize)
    }
    checksums = found
    flushed = tail
    return true
  }

  /// Ends the log here for good: bytes that follow are missing.
  mutating func close(because reason: String) {
    record.failure = reason
    wasChanged = true
  }

  /// Starts a new generation at the tail: bytes past it may have been seen and are gone.
  mutating func cut() {
    guard let next = record.generation.next else { return close(because: "the log has used up its generations") }
    record.generation = next
    record.generationStart = tail
    wasChanged = true
  }

  /// Writes what is buffered to the chunk files.
  mutating func flush(into chunks: LocalChunkStore) throws(AofError) {
    let (bytes, start) = (buffer, flushed)
    try bytes.withTypedBytes { bytes throws(AofError) in
      try chunks.write(bytes, of: record.id, at: start, chunkSize: record.chunkSize)
    }
    flushed = start + bytes.count
    buffer.removeAll(keepingCapacity: true)
  }

  /// What the manifest must record once the chunk files are durable.
  var progress: AppliedProgress {
    AppliedProgress(
      id: record.id, sealed: record.sealed, applied: tail, frames: Array(checksums.frames(upTo: tail)),
      generation: record.generation, generationStart: record.generationStart, failure: record.failure,
      modificationTime: modified)
  }

  /// The log's record as it is after ``progress`` was recorded.
  var recovered: AofDescriptorRecord {
    var record = record
    record.applied = tail
    record.appliedFrames = Array(checksums.frames(upTo: tail))
    return record
  }
}
