import AOFCore
import AOFFormat
import AOFManifest

/// What changes about a log while it is open.
///
/// INVARIANT: head <= sealed <= flushed <= tail <= reserved, remote <= sealed, largeSynced <= largeEnd <= tail.
struct LogState {
  var generation: Generation
  /// The LSN at which the generation began.
  var generationStart: LSN
  var head: LSN
  var remote: LSN
  var sealed: LSN
  /// Everything below is durable in chunk files and recorded in the manifest.
  var applied: LSN
  /// Everything below is in chunk files, maybe only in the kernel's cache; the rest is in `buffer`.
  var flushed: LSN
  /// A lower bound of what survives power loss; the WAL may know better.
  var durable: LSN
  /// Where the next append goes. Readers see everything below.
  var tail: LSN
  /// Where the committer's next append goes; differs from `tail` only while it commits.
  var reserved: LSN
  /// Where the last large append ended, whose payload lies in chunk files alone.
  var largeEnd: LSN
  /// The payloads of large appends survive power loss up to here.
  var largeSynced: LSN
  /// Whether a large append is under way, and others of the log wait.
  var isTurnTaken = false
  /// Large appends that are under way or wait for their turn.
  var turnsWanted = 0
  /// Appends that wait until a large one is through, in the order in which they came.
  var deferred: [UnsafeMutablePointer<PendingAppend>] = []
  /// The WAL position after the log's last frame.
  var lastFrame: WalPosition
  var lastAppend: UnixTime
  /// A time not after the append of the first byte past `remote`, as far as it is known; without meaning if there is none.
  var oldestUnpublished: UnixTime
  var buffer = TailBuffer()
  /// Checksums from `sealed` to `tail`.
  var checksums: FrameAccumulator
  /// While a seal is under way: the checksums of what it leaves.
  var checksumsPastSeal: FrameAccumulator?
  /// Checksums of what an earlier process left in the tail's chunk files, from `sealed` on; empty once that is sealed.
  var inherited: [FrameRecord]
  /// Where the inherited bytes end. Bytes from there on were written by this process.
  let inheritedEnd: LSN
  /// Inherited frames that were found sound since, by their first LSN.
  var verifiedInherited: Set<LSN> = []
  /// Where the log was cut since the store was opened.
  var cuts = GenerationCuts()
  /// Whether a thread waits to truncate the log, or does it; one at a time may.
  var isTruncating = false
  /// Whether a thread seals, applies, evicts or truncates; one at a time does.
  var isUnderMaintenance = false
  /// Whether the chunk files were freed of what earlier processes left in them.
  var hasDiscardedStrays = false
  /// Whether a background seal or application is queued.
  var isMaintenanceQueued = false
  /// Files that programs have open on the log.
  var uses = 0
  /// Threads that wait to purge the log.
  var purgesWanted = 0
  /// Why the log takes no appends. `purged`: it is gone, and cannot be read either.
  var failure: AofError?

  init(_ record: AofDescriptorRecord, lastAppend: UnixTime, lastFrame: WalPosition) {
    generation = record.generation
    generationStart = record.generationStart
    head = record.head
    remote = record.remote
    sealed = record.sealed
    applied = record.applied
    flushed = record.applied
    durable = record.applied
    tail = record.applied
    reserved = record.applied
    largeEnd = record.applied
    largeSynced = record.applied
    self.lastFrame = lastFrame
    self.lastAppend = lastAppend
    oldestUnpublished = lastAppend
    checksums = FrameAccumulator(start: record.sealed, frames: record.appliedFrames)
    inherited = record.appliedFrames
    inheritedEnd = record.applied
    failure = record.failure.map { AofError(.readOnly, $0) }
  }

  var isPurged: Bool { failure?.code == .purged }

  /// Whether a sync must begin with the chunk files.
  var hasUnsyncedLarge: Bool { largeEnd > largeSynced }
}
