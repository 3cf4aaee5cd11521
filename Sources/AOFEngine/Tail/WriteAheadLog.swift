import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

/// The journal of all logs with the same WAL directory.
///
/// One thread at a time is the *committer*: it takes what is queued, writes it with one system call, and hands
/// the role on. One thread at a time is the *flusher*: it syncs what is written, for all that wait, while the
/// next batch forms. Neither holds the lock while it writes or syncs.
final class WriteAheadLog: Sendable {
  struct State {
    /// Appends that wait for the committer, in the order in which they came.
    var queue: [UnsafeMutablePointer<PendingAppend>] = []
    var isCommitting = false
    /// Threads that want the committer's role for something else than an append. They get it before all that is queued.
    var roleWaiters = 0
    var isFlushing = false
    /// Everything before it is written; INVARIANT: synced <= written.
    var written: WalPosition
    /// Everything before it is on stable storage.
    var synced: WalPosition
    /// Oldest first. The last one takes the appends.
    var segments: [LiveSegment]
    /// Set once, by the first write or sync that failed beyond repair, and never cleared.
    var failure: AofError?
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
  let state: Monitor<State>
  let storeID: StoreID
  let pool: SegmentPool
  let environment: Environment
  /// Called, outside of all locks, when a segment is full.
  let whenSegmentCloses = Lock<(@Sendable () -> Void)?>(nil)
  /// INVARIANT: touched only by the thread that set `isCommitting`.
  nonisolated(unsafe) let committer: Committer

  /// Starts a WAL with a fresh segment. Whatever older segments hold has been recovered.
  init(
    record: WalDirectoryRecord, firstSequence: UInt64, base: WalPosition, storeID: StoreID, environment: Environment
  ) throws(AofError) {
    self.record = record
    self.storeID = storeID
    self.environment = environment
    pool = try SegmentPool(directory: record.path, environment: environment)
    let segment = try pool.activate(
      pool.prepare(Self.header(sequence: firstSequence, base: base, storeID: storeID, environment: environment)))
    committer = Committer(segment: segment)
    state = Monitor(
      State(written: base, synced: base, segments: [LiveSegment(segment: segment)]))
  }

  static func header(
    sequence: UInt64, base: WalPosition, storeID: StoreID, environment: Environment
  ) -> WALSegmentHeader {
    WALSegmentHeader(
      storeID: storeID, sequence: sequence, base: base, nonce: environment.random(),
      size: UInt32(Limits.walSegmentSize), created: environment.clock.now())
  }

  // MARK: Appending

  /// Writes the append's frames and makes them visible in their log. Returns when both are done.
  /// - Throws: what kept this append from being written; then nothing of it is visible.
  func append(_ pending: inout PendingAppend) throws(AofError) {
    try withUnsafeMutablePointer(to: &pending) { pointer throws(AofError) in
      let leads = state.withLock { state in
        if state.isCommitting || state.roleWaiters > 0 {
          state.queue.append(pointer)
          return false
        }
        state.isCommitting = true
        return true
      }
      if leads {
        lead(with: pointer)
      } else if state.wait(until: { _ in pointer.pointee.isDone ? false : pointer.pointee.mustLead ? true : nil }) {
        lead(with: nil)
      }
      if let error = pointer.pointee.error { throw error }
    }
  }

  /// Commits one batch, then hands the role to the first that came meanwhile.
  private func lead(with own: UnsafeMutablePointer<PendingAppend>?) {
    if let own { committer.batch.append(own) }
    let (failure, mark) = state.withLock { state in
      committer.batch.append(contentsOf: state.queue)
      state.queue.removeAll(keepingCapacity: true)
      return (state.failure, state.synced)
    }
    commit(durableMark: mark, failure: failure)
    state.change { state in
      for pointer in committer.batch { pointer.pointee.isDone = true }
      committer.batch.removeAll(keepingCapacity: true)
      state.handRoleOn()
    }
  }

  /// Takes the committer's role for something else than an append, and gives it back.
  func asCommitter<Result>(_ body: () throws(AofError) -> Result) throws(AofError) -> Result {
    state.withLock { $0.roleWaiters += 1 }
    state.wait { state -> Void? in
      if state.isCommitting { return nil }
      state.isCommitting = true
      state.roleWaiters -= 1
      return ()
    }
    defer { state.change { $0.handRoleOn() } }
    return try body()
  }

  // MARK: Syncing

  /// Makes everything before `position` survive power loss. All that wait share one flush; with nothing to do
  /// there is none.
  func sync(through position: WalPosition) throws(AofError) {
    while true {
      let work: (files: [File], end: WalPosition)? = try state.wait { state throws(AofError) in
        if state.synced >= position { return .some(nil) }
        if let failure = state.failure { throw failure }
        if state.isFlushing { return nil }
        state.isFlushing = true
        return .some((state.unsyncedFiles, state.written))
      }
      guard let work else { return }
      do throws(AofError) {
        for file in work.files { try file.syncData() }
        state.change { state in
          state.synced = work.end
          state.isFlushing = false
        }
      } catch {
        fail(error)
        state.change { $0.isFlushing = false }
      }
    }
  }

  var syncedPosition: WalPosition { state.withLock { $0.synced } }

  /// Why the WAL takes nothing any more; nil as long as it does.
  var failure: AofError? { state.withLock { $0.failure } }

  /// Gives up on the WAL: a kernel that failed a sync may have dropped the pages, so nothing is tried again.
  func fail(_ error: AofError) {
    state.change { state in
      guard state.failure == nil else { return }
      state.failure = AofError(
        .localFailure, "the WAL in \(record.path) failed; its logs take no more appends",
        remedy: "check the disk, then unmount and mount again", cause: error)
    }
  }
}

extension WriteAheadLog.State {
  /// Ends the committer's role of the thread that has it.
  fileprivate mutating func handRoleOn() {
    // Whoever waits for the role takes it once it is free, and hands it on to the queue.
    if roleWaiters == 0, let next = queue.first {
      next.pointee.mustLead = true
    } else {
      isCommitting = false
    }
  }

  /// The files with bytes from `synced` to `written`.
  fileprivate var unsyncedFiles: [File] {
    segments.filter { $0.segment.base < written && ($0.end ?? written) > synced }.map(\.segment.file)
  }
}
