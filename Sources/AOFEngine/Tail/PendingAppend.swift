import AOFCore
import AOFFormat

/// One append on its way through the WAL. Lives on the stack of the thread that waits for it.
struct PendingAppend {
  /// Payloads of one call: each becomes a frame; all are committed together.
  let payloads: UnsafeBufferPointer<UnsafeRawBufferPointer>
  /// CRC32C of each payload, computed before the append waits for its turn.
  let checksums: UnsafeBufferPointer<UInt32>
  /// Bytes of all payloads.
  let byteCount: Int
  /// The tail that the caller expects; nil takes any.
  let expected: LSN?
  let log: Aof

  /// Where the first byte landed.
  var lsn = LSN.zero
  var error: AofError?
  var isDone = false
  /// Set when the waiting thread is to commit the next batch.
  var mustLead = false

  /// What the frames take in a segment.
  var framedSize: Int { payloads.reduce(0) { $0 + WALFormat.frameSize(payload: $1.count) } }
}
