import AOFCore
import AOFManifest
import AOFSystem

extension AofManager {
  /// Makes everything appended durable in the chunk files, records it and lets go of the store. Nobody may use its
  /// logs any more. Blocks on the local disk, and until hydrations under way are done.
  /// - Throws: the first failure; what could not be recorded stays in the WAL, and the next opening recovers it.
  public func close() throws(AofError) {
    defer { lock.release() }
    endCheck()
    services.checkpointer.cancel()
    services.automaticCheckpoints.end()
    endWaits()
    services.maintenance.close()
    services.compression.close()
    services.hydrator.close()
    var failure: AofError?
    let logs = state.withLock { $0.open.values.sorted { $0.id < $1.id } }
    for log in logs {
      do throws(AofError) {
        try log.applyAndRecord()
        try log.recordResidency()
      } catch {
        failure = failure ?? error
      }
    }
    for wal in state.withLock({ Array($0.wals.values) }) {
      do throws(AofError) {
        try wal.asCommitter { () throws(AofError) in wal.closeSegment() }
        try release(wal)
      } catch {
        failure = failure ?? error
      }
    }
    do throws(AofError) { try services.manifest.close() } catch { failure = failure ?? error }
    if let failure { throw failure }
  }

  /// Ends all waits for watermarks.
  package func endWaits() { observation.marks.endAll(AofError(.interrupted, "the store is being closed")) }

  // MARK: The check of the manifest

  /// Checks the whole manifest beside its use; what is wrong becomes an incident. On a thread of its own: it takes as
  /// long as the manifest is large, and seals must not wait for it.
  func startCheck() throws(AofError) {
    let check = ManifestCheck(services.manifest.path)
    let observation = services.observation
    let thread = try SystemThread.start("aofs-check") {
      do throws(AofError) {
        for problem in try check.run() ?? [] { observation.report(.damage, "the manifest: \(problem)") }
      } catch {
        observation.report(error, "the manifest could not be checked")
      }
    }
    state.withLock { $0.check = (check, thread) }
  }

  private func endCheck() {
    guard let (check, thread) = state.withLock({ $0.check.take() }) else { return }
    check.cancel()
    thread.join()
  }

  /// Waits until the check of the whole manifest is done.
  package func waitForCheck() { state.withLock { $0.check?.1 }?.join() }

  /// Waits until the background work that is queued now is done.
  package func waitForMaintenance() {
    let isDone = Monitor(false)
    if services.maintenance.add({ isDone.change { $0 = true } }) { isDone.wait { $0 ? () : nil } }
  }

  // MARK: Releasing WAL segments

  /// Calls for a release whenever the WAL has closed a few segments.
  func watch(_ wal: WriteAheadLog) {
    wal.whenSegmentCloses.withLock { action in
      action = { [weak self, weak wal] in
        guard let self, let wal else { return }
        if wal.closedSegmentCount >= WriteAheadLog.closedSegmentsBeforeWaiting { wal.gate.close() }
        if wal.closedSegmentCount >= WriteAheadLog.closedSegmentsBeforeApplying { queueRelease(of: wal) }
        queueRefill(of: wal)
      }
    }
  }

  /// Releases in the background what of the WAL is not needed, then lets appends pass that waited for it.
  func queueRelease(of wal: WriteAheadLog) {
    let isNew = state.withLock { $0.releasing.insert(wal.record.id).inserted }
    guard isNew else { return }
    let isQueued = services.maintenance.add { [self] in
      defer { wal.gate.open() }
      _ = state.withLock { $0.releasing.remove(wal.record.id) }
      do throws(AofError) {
        // A log that fails keeps its own segments, and must not keep the others from being applied.
        var failure: AofError?
        for id in wal.logsInClosedSegments.sorted() {
          do throws(AofError) {
            try log(id).applyAndRecord()
          } catch where error.code == .purged || nameSpace.node(id) == nil {
            // Nothing of it is needed any more.
          } catch {
            failure = failure ?? error
          }
        }
        try release(wal)
        services.reserve.refill()
        if let failure { throw failure }
      } catch {
        services.observation.report(error, "segments of the WAL in \(wal.record.path) could not be released")
      }
    }
    if !isQueued { wal.gate.open() }
  }

  /// Prepares the file of the WAL's next segment in the background.
  private func queueRefill(of wal: WriteAheadLog) {
    services.maintenance.add { [self] in
      do throws(AofError) {
        try wal.pool.refill()
      } catch {
        services.observation.report(error, "the next segment of the WAL in \(wal.record.path) could not be prepared")
      }
    }
  }

  private func release(_ wal: WriteAheadLog) throws(AofError) {
    let needed = wal.firstNeededSequence { id in
      state.withLock { $0.open[id] }?.appliedLSN ?? .max
    }
    // The manifest first: segments that it calls void are never read again, gone or not.
    try services.manifest.recordApplied([], firstSequences: [wal.record.id: needed])
    try wal.release(before: needed)
  }
}
