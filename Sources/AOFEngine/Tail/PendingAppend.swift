import AOFCore
import AOFFormat
import AOFSystem

/// One record of an append: it becomes one frame.
struct AppendRecord {
  let payload: UnsafeRawBufferPointer
  /// What follows the frame's header: the payload itself, or the checksums of its pieces.
  let body: UnsafeRawBufferPointer
  /// CRC32C of `body`, computed before the append waits for its turn.
  let bodyChecksum: UInt32
}

/// One append on its way through the WAL. Lives on the stack of the thread that waits for it.
///
/// Until it is `done` or `mustMakeRoom` it belongs to the WAL: to the queue, guarded by the WAL's lock, or to the
/// committer. Its thread looks at it only after it was woken.
struct PendingAppend {
  enum Phase {
    /// Queued, or set aside until a large append of the same log is through.
    case waiting
    /// The thread is to commit the next batch, this append with it.
    case mustLead
    /// Nothing was done: the log's buffer is full, and the thread is to empty it and to try again.
    case mustMakeRoom
    /// Visible in its log, or `error` is set.
    case done
  }

  let kind: WALFrameHeader.Kind
  /// Records of one call: all are committed together, in one batch.
  let records: UnsafeBufferPointer<AppendRecord>
  /// Bytes of all payloads.
  let byteCount: Int
  /// The tail that the caller expects; nil takes any.
  let expected: LSN?
  /// Alive as long as the caller, which is a method of the log.
  unowned(unsafe) let log: Aof
  /// The waiting thread's.
  unowned(unsafe) let parker: Parker

  var phase = Phase.waiting
  var error: AofError?
  /// Where the first byte landed.
  var lsn = LSN.zero
  /// Whether a full block of the log's buffer waits to be moved to the chunk file.
  var leavesFullBlock = false
  /// Whether the tail has left a chunk that is not sealed, or much of it is not applied.
  var isMaintenanceDue = false
  /// Whether it was set aside for a large append once, and need not be again for one that only waits.
  var wasDeferred = false
  /// The next of those that are woken together.
  var next: UnsafeMutablePointer<PendingAppend>?

  init(
    _ kind: WALFrameHeader.Kind, _ records: UnsafeBufferPointer<AppendRecord>, byteCount: Int, expected: LSN?,
    log: Aof
  ) {
    self.kind = kind
    self.records = records
    self.byteCount = byteCount
    self.expected = expected
    self.log = log
    parker = Parker.current
  }

  /// What the frames take in a segment.
  var framedSize: Int {
    var size = 0
    for record in records { size += WALFormat.frameSize(body: record.body.count) }
    return size
  }
}
