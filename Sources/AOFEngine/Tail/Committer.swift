import AOFCore
import AOFFormat
import AOFSystem
import Glibc

/// What the committing thread works with. Everything here keeps its memory from batch to batch.
final class Committer {
  /// The segment that takes appends.
  var segment: WalSegment
  /// The number of the segment that was created last.
  var lastSequence: UInt64
  /// Where the next frame goes.
  var position: WalPosition
  /// The appends to commit now.
  var batch: [UnsafeMutablePointer<PendingAppend>] = []
  /// Those of them whose frames are gathered and not yet written.
  var gathered: [UnsafeMutablePointer<PendingAppend>] = []
  /// Set with the failure of the WAL, by whatever fails in this role.
  var hasFailed = false
  /// The logs with frames in ``segment``.
  var logs: [Aof] = []

  /// What one write takes: runs of `staging`, and large bodies where they lie.
  private var pieces: [iovec] = []
  private(set) var gatheredSize = 0
  private var frameCount = 0
  private let staging: UnsafeMutableRawBufferPointer
  private var staged = 0

  /// Frames that one write takes.
  static let maximumFrames = 256
  /// Bytes that one write takes: what a log that floods the WAL can make the next append of another one wait for.
  static let maximumBatch = 1 << 20
  /// Bodies up to this size are copied, so that most batches are one piece: a copy costs less than a second piece.
  private static let largestStagedBody = 1024

  init(segment: WalSegment) {
    self.segment = segment
    lastSequence = segment.sequence
    position = segment.base
    staging = .allocate(
      byteCount: Self.maximumFrames * (WALFormat.frameSize(body: Self.largestStagedBody) + WALFormat.frameAlignment),
      alignment: 64)
    pieces.reserveCapacity(Self.maximumFrames * 2 + 1)
  }

  deinit { staging.deallocate() }

  func hasRoom(frames: Int, size: Int) -> Bool {
    frameCount + frames <= Self.maximumFrames && gatheredSize + size <= min(segmentRoom, Self.maximumBatch)
  }

  /// Bytes of the segment that no frame takes yet.
  var segmentRoom: Int { Int(segment.header.size) - segment.offset(of: position) }

  /// Adds one frame to what is written next.
  func gather(_ header: WALFrameHeader, body: UnsafeRawBufferPointer) {
    let size = WALFormat.frameSize(body: body.count)
    let padding = size - WALFormat.frameHeaderSize - body.count
    header.encode(into: stage(WALFormat.frameHeaderSize), nonce: segment.header.nonce)
    if body.count <= Self.largestStagedBody {
      let rest = stage(body.count + padding)
      rest.copyMemory(from: body)
      rest.suffix(padding).initializeMemory(as: UInt8.self, repeating: 0)
    } else {
      pieces.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: body.baseAddress), iov_len: body.count))
      if padding > 0 { stage(padding).initializeMemory(as: UInt8.self, repeating: 0) }
    }
    frameCount += 1
    gatheredSize += size
  }

  /// The next `count` bytes of the staging buffer, as a part of what is written.
  private func stage(_ count: Int) -> UnsafeMutableRawBufferPointer {
    let run = UnsafeMutableRawBufferPointer(rebasing: staging[staged..<(staged + count)])
    staged += count
    let last = pieces.count - 1
    if last >= 0, let base = pieces[last].iov_base, base + pieces[last].iov_len == run.baseAddress {
      pieces[last].iov_len += count
    } else {
      pieces.append(iovec(iov_base: run.baseAddress, iov_len: count))
    }
    return run
  }

  /// Writes what is gathered at ``position``, which does not move.
  func write() throws(AofError) {
    let offset = segment.offset(of: position)
    if pieces.count == 1 {
      try segment.file.write(UnsafeRawBufferPointer(rebasing: staging[..<staged]), at: offset)
    } else {
      try pieces.withTypedMutableBuffer { pieces throws(AofError) in
        try segment.file.write(pieces: pieces, at: offset)
      }
    }
  }

  /// Covers with zeros what a failed ``write()`` may have left.
  func erase() throws(AofError) {
    let zeros = [UInt8](repeating: 0, count: gatheredSize)
    try zeros.withTypedBytes { zeros throws(AofError) in
      try segment.file.write(zeros, at: segment.offset(of: position))
    }
  }

  /// Forgets what was gathered.
  func clear() {
    gathered.removeAll(keepingCapacity: true)
    pieces.removeAll(keepingCapacity: true)
    gatheredSize = 0
    frameCount = 0
    staged = 0
  }
}
