import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

/// The journal of all logs with the same WAL directory.
///
/// One thread at a time is the *committer*: it takes what is queued, writes it with one system call, and hands
/// the role on. One thread at a time is the *flusher*: it syncs what is written, for all that wait, while the
/// next batch forms. Neither holds the lock while it writes or syncs, and each thread that waits is woken by itself, when
/// what it waits for is there.
final class WriteAheadLog: Sendable {
  struct State {
    /// Appends that wait for the committer, in the order in which they came.
    var queue: [UnsafeMutablePointer<PendingAppend>] = []
    var isCommitting = false
    /// Threads that want the committer's role for something else than an append. They get it before all that is queued.
    var roleWaiters: [Parker] = []
    var isFlushing = false
    /// Those whose sync is not through yet.
    var syncWaiters: [SyncWaiter] = []
    /// How many syncs the last flush served.
    var lastGroup = 1
    /// Everything before it is written; INVARIANT: synced <= written.
    var written: WalPosition
    /// Everything before it is on stable storage.
    var synced: WalPosition
    /// Oldest first. The last one takes the appends.
    var segments: [LiveSegment]
    /// Set once, by the first write or sync that failed beyond repair, and never cleared.
    var failure: AofError?
    var counts = WalCounts()
  }

  /// A segment that still protects bytes.
  struct LiveSegment {
    let segment: WalSegment
    /// Where its frames end; nil while it takes appends.
    var end: WalPosition?
    /// For each log with frames in it, where the last of them ends. Known once the segment is closed.
    var logEnds: [LogID: LSN] = [:]
  }

  let record: WalDirectoryRecord
  let state: Lock<State>
  let storeID: StoreID
  let pool: SegmentPool
  let environment: Environment
  let observation: Observation
  /// Closed while the WAL has too many segments that a release under way may take from it.
  let gate = AppendGate()
  /// Called, outside of all locks, when a segment is full.
  let whenSegmentCloses = Hook<Void>()
  /// Flushes for those who wait without a thread, when whoever flushed before has gone.
  let flusher: any JobQueue
  /// INVARIANT: touched only by the thread that set `isCommitting`.
  nonisolated(unsafe) let committer: UnsafeMutablePointer<Committer>

  /// Starts a WAL with a fresh segment. Whatever older segments hold has been recovered.
  init(
    record: WalDirectoryRecord, firstSequence: UInt64, base: WalPosition, storeID: StoreID, environment: Environment,
    observation: Observation
  ) throws(AofError) {
    self.record = record
    self.storeID = storeID
    self.environment = environment
    self.observation = observation
    pool = try SegmentPool(directory: record.path, environment: environment)
    flusher = try environment.makeQueue(.flush)
    let segment = try pool.activate(
      pool.prepare(Self.header(sequence: firstSequence, base: base, storeID: storeID, environment: environment)))
    committer = .allocate(capacity: 1)
    committer.initialize(to: Committer(segment: segment))
    state = Lock(
      State(written: base, synced: base, segments: [LiveSegment(segment: segment)]))
  }

  deinit {
    committer.deinitialize(count: 1)
    committer.deallocate()
  }

  static func header(
    sequence: UInt64, base: WalPosition, storeID: StoreID, environment: Environment
  ) -> WALSegmentHeader {
    WALSegmentHeader(
      storeID: storeID, sequence: sequence, base: base, nonce: environment.random(),
      size: UInt32(environment.walSegmentSize), created: environment.clock.now())
  }

  // MARK: Appending

  /// Writes the append's frames and makes them visible in their log. Returns when both are done, or when the append's
  /// phase is `mustMakeRoom` and nothing was done.
  /// - Throws: what kept this append from being written; then nothing of it is visible.
  func append(_ pending: inout PendingAppend) throws(AofError) {
    try withUnsafeMutablePointer(to: &pending) { pointer throws(AofError) in
      pointer.pointee.phase = .waiting
      let leads = state.withLock { state in
        if state.isCommitting {
          state.queue.append(pointer)
          return false
        }
        state.isCommitting = true
        return true
      }
      var phase = leads ? lead(with: pointer, isQueued: false) : .waiting
      while true {
        switch phase {
        case .waiting:
          pointer.pointee.parker.park()
          phase = pointer.pointee.phase
        case .mustLead: phase = lead(with: pointer, isQueued: true)
        case .mustMakeRoom: return
        case .done:
          if let error = pointer.pointee.error { throw error }
          return
        }
      }
    }
  }

  /// Commits one batch, then hands the role to the first that came meanwhile.
  /// - Returns: what became of the thread's own append; it may still be waiting.
  private func lead(with own: UnsafeMutablePointer<PendingAppend>, isQueued: Bool) -> PendingAppend.Phase {
    let (failure, mark) = state.withLock { state in
      if !state.queue.isEmpty { swap(&state.queue, &committer.pointee.batch) }
      return (state.failure, state.synced)
    }
    own.pointee.phase = .waiting
    commit(isQueued ? nil : own, durableMark: mark, failure: failure)
    // Once the role is handed on, the committer is another thread's, and so are appends that were set aside.
    let phase = own.pointee.phase
    var woken: UnsafeMutablePointer<PendingAppend>?
    if !committer.pointee.batch.isEmpty {
      for pointer in committer.pointee.batch where pointer != own && pointer.pointee.phase != .waiting {
        pointer.pointee.next = woken
        woken = pointer
      }
      committer.pointee.batch.removeAll(keepingCapacity: true)
    }
    handRoleOn()
    while let pointer = woken {
      woken = pointer.pointee.next
      pointer.pointee.parker.unpark()
    }
    return phase
  }

  /// Queues appends again that were set aside.
  func requeue(_ appends: [UnsafeMutablePointer<PendingAppend>]) {
    guard !appends.isEmpty else { return }
    let isFree = state.withLock { state in
      state.queue.insert(contentsOf: appends, at: 0)
      defer { state.isCommitting = true }
      return !state.isCommitting
    }
    if isFree { handRoleOn() }
  }

  /// Takes the committer's role for something else than an append, and gives it back.
  func asCommitter<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    let parker = Parker.current
    let mustWait = state.withLock { state in
      if state.isCommitting {
        state.roleWaiters.append(parker)
        return true
      }
      state.isCommitting = true
      return false
    }
    if mustWait { parker.park() }
    defer { handRoleOn() }
    return try body()
  }

  /// Ends the committer's role of the thread that has it: whoever is first gets it.
  private func handRoleOn() {
    let next: Parker? = state.withLock { state in
      if !state.roleWaiters.isEmpty { return state.roleWaiters.removeFirst() }
      guard let first = state.queue.first else {
        state.isCommitting = false
        return nil
      }
      first.pointee.phase = .mustLead
      return first.pointee.parker
    }
    next?.unpark()
  }

  // MARK: State

  var syncedPosition: WalPosition { state.withLock { $0.synced } }

  /// Why the WAL takes nothing any more; nil as long as it does.
  var failure: AofError? { state.withLock { $0.failure } }

  /// Gives up on the WAL: a kernel that failed a sync may have dropped the pages, so nothing is tried again.
  /// - Parameter isFinal: whether `error` says all that there is to say.
  func fail(_ error: AofError, isFinal: Bool = false) {
    let failure = isFinal ? error : AofError(
      .localFailure, "the WAL in \(record.path) failed; its logs take no more appends",
      remedy: "check the disk, then unmount and mount again", cause: error)
    let (isNew, lost) = state.withLock { state -> (Bool, [SyncWaiter]) in
      guard state.failure == nil else { return (false, []) }
      state.failure = failure
      // A flusher tells those that wait; one that is only on its way finds the failure and does not flush.
      return (true, state.isFlushing ? [] : state.takeServed(failure: failure))
    }
    for waiter in lost { waiter.tell(failure) }
    if isNew, !isFinal { observation.report(.disk, "\(failure)") }
  }
}
