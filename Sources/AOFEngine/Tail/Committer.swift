import AOFCore
import AOFFormat
import AOFSystem
import Glibc

/// What the committing thread works with. Everything here keeps its memory from batch to batch.
struct Committer: ~Copyable {
  /// The segment that takes appends.
  var segment: WalSegment
  /// The number of the segment that was created last.
  var lastSequence: UInt64
  /// Where the next frame goes.
  var position: WalPosition
  /// The appends that came while another thread committed, to be committed with its own by the thread that leads now.
  var batch: [UnsafeMutablePointer<PendingAppend>] = []
  /// Set with the failure of the WAL, by whatever fails in this role.
  var hasFailed = false
  /// The logs with frames in ``segment``.
  var logs: [LogID: Aof] = [:]

  /// Appends whose frames are gathered and not yet written, in order.
  private(set) var firstGathered: UnsafeMutablePointer<PendingAppend>?
  private var lastGathered: UnsafeMutablePointer<PendingAppend>?
  private(set) var gatheredSize = 0
  /// The records of those appends, and the bytes that they are for their logs.
  private(set) var gatheredRecords = 0
  private(set) var gatheredBytes = 0
  private var frameCount = 0
  /// Headers and small bodies. Where nothing else is gathered, that is the whole of what is written.
  private let staging: UnsafeMutableRawBufferPointer
  private var staged = 0
  /// What one write takes, where large bodies lie between runs of `staging`.
  private var pieces: [iovec] = []
  /// How much of `staging` is in `pieces`.
  private var stagedInPieces = 0

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
  }

  deinit { staging.deallocate() }

  func hasRoom(frames: Int, size: Int) -> Bool {
    frameCount + frames <= Self.maximumFrames && gatheredSize + size <= min(segmentRoom, Self.maximumBatch)
  }

  /// Bytes of the segment that no frame takes yet.
  var segmentRoom: Int { Int(segment.header.size) - segment.offset(of: position) }

  /// Adds one frame to what is written next.
  mutating func gather(_ header: WALFrameHeader, body: UnsafeRawBufferPointer) {
    let size = WALFormat.frameSize(body: body.count)
    let padding = size - WALFormat.frameHeaderSize - body.count
    header.encode(into: stage(WALFormat.frameHeaderSize), nonce: segment.header.nonce)
    if body.count <= Self.largestStagedBody {
      let rest = stage(body.count + padding)
      rest.copyMemory(from: body)
      rest.suffix(padding).initializeMemory(as: UInt8.self, repeating: 0)
    } else {
      closeRun()
      pieces.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: body.baseAddress), iov_len: body.count))
      if padding > 0 { stage(padding).initializeMemory(as: UInt8.self, repeating: 0) }
    }
    frameCount += 1
    gatheredSize += size
  }

  /// The frames of `append` are gathered.
  mutating func didGather(_ append: UnsafeMutablePointer<PendingAppend>) {
    append.pointee.next = nil
    if let last = lastGathered { last.pointee.next = append } else { firstGathered = append }
    lastGathered = append
    gatheredRecords += append.pointee.records.count
    gatheredBytes += append.pointee.byteCount
  }

  /// The next `count` bytes of the staging buffer.
  private mutating func stage(_ count: Int) -> UnsafeMutableRawBufferPointer {
    defer { staged += count }
    return UnsafeMutableRawBufferPointer(rebasing: staging[staged..<(staged + count)])
  }

  private mutating func closeRun() {
    guard staged > stagedInPieces, let base = staging.baseAddress else { return }
    pieces.append(iovec(iov_base: base + stagedInPieces, iov_len: staged - stagedInPieces))
    stagedInPieces = staged
  }

  /// Writes what is gathered at ``position``, which does not move.
  mutating func write() throws(AofError) {
    let offset = segment.offset(of: position)
    if pieces.isEmpty {
      return try segment.file.write(UnsafeRawBufferPointer(rebasing: staging[..<staged]), at: offset)
    }
    closeRun()
    let file = segment.file
    try pieces.withTypedMutableBuffer { pieces throws(AofError) in try file.write(pieces: pieces, at: offset) }
  }

  /// Covers with zeros what a failed ``write()`` may have left, durably: the kernel may have brought the frames to the disk
  /// in between, and after a power cut they would be there, though their appends were refused.
  func erase() throws(AofError) {
    let zeros = [UInt8](repeating: 0, count: gatheredSize)
    try zeros.withTypedBytes { zeros throws(AofError) in
      try segment.file.write(zeros, at: segment.offset(of: position))
    }
    try segment.file.syncData()
  }

  /// Forgets what was gathered.
  mutating func clear() {
    firstGathered = nil
    lastGathered = nil
    if !pieces.isEmpty { pieces.removeAll(keepingCapacity: true) }
    stagedInPieces = 0
    gatheredSize = 0
    gatheredRecords = 0
    gatheredBytes = 0
    frameCount = 0
    staged = 0
  }
}
