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
  /// For each log with frames in ``segment``, where the last ends.
  var logEnds: [LogID: LSN] = [:]

  private(set) var pieces: [iovec] = []
  private(set) var gatheredSize = 0
  private var headerCount = 0
  private let headers: UnsafeMutableRawBufferPointer
  private let padding: UnsafeMutableRawPointer

  /// Frames that one write takes.
  static let maximumFrames = 256

  init(segment: WalSegment) {
    self.segment = segment
    lastSequence = segment.sequence
    position = segment.base
    headers = .allocate(byteCount: Self.maximumFrames * WALFormat.frameHeaderSize, alignment: 64)
    padding = .allocate(byteCount: WALFormat.frameAlignment, alignment: 64)
    padding.initializeMemory(as: UInt8.self, repeating: 0, count: WALFormat.frameAlignment)
    pieces.reserveCapacity(Self.maximumFrames * 3)
  }

  deinit {
    headers.deallocate()
    padding.deallocate()
  }

  func hasRoom(frames: Int, size: Int) -> Bool {
    headerCount + frames <= Self.maximumFrames && segmentRoom >= gatheredSize + size
  }

  /// Bytes of the segment that no frame takes yet.
  var segmentRoom: Int { Int(segment.header.size) - segment.offset(of: position) }

  /// Adds one frame to what is written next.
  func gather(_ header: WALFrameHeader, payload: UnsafeRawBufferPointer) {
    let slot = UnsafeMutableRawBufferPointer(
      rebasing: headers[(headerCount * WALFormat.frameHeaderSize)...].prefix(WALFormat.frameHeaderSize))
    header.encode(into: slot, nonce: segment.header.nonce)
    headerCount += 1
    pieces.append(iovec(iov_base: slot.baseAddress, iov_len: slot.count))
    pieces.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: payload.baseAddress), iov_len: payload.count))
    let size = WALFormat.frameSize(payload: payload.count)
    let rest = size - slot.count - payload.count
    if rest > 0 { pieces.append(iovec(iov_base: padding, iov_len: rest)) }
    gatheredSize += size
  }

  /// Writes what is gathered at ``position``, which does not move.
  func write() throws(AofError) {
    let offset = segment.offset(of: position)
    try pieces.withTypedMutableBuffer { pieces throws(AofError) in
      try segment.file.write(pieces: pieces, at: offset)
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
    headerCount = 0
  }
}
