import AOFCore
import AOFManifest
import AOFSystem

/// Releasing WAL segments.
extension AofManager {
  /// Calls for a release whenever the WAL has closed a few segments.
  func watch(_ wal: WriteAheadLog) {
    wal.whenSegmentCloses.set { [weak self, weak wal] in
      guard let self, let wal else { return }
      if wal.closedSegmentCount >= WriteAheadLog.closedSegmentsBeforeWaiting { wal.gate.close() }
      if wal.closedSegmentCount >= WriteAheadLog.closedSegmentsBeforeApplying { queueRelease(of: wal) }
      queueRefill(of: wal)
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
        // A log that fails must not keep the others from being applied.
        var failure: AofError?
        for id in wal.logsInClosedSegments.sorted() {
          do throws(AofError) {
            let log = try log(id)
            if log.failure == nil { try log.applyAndRecord() }
          } catch where error.code == .purged || nameSpace.node(id) == nil {
            // Nothing of it is needed any more.
          } catch {
            failure = failure ?? error
          }
        }
        try carryFailedLogs(of: wal)
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

  /// Lets go of the segments that nothing needs.
  func release(_ wal: WriteAheadLog) throws(AofError) {
    let needed = wal.firstNeededSequence(applied: applied)
    // The manifest first: segments that it calls void are never read again, gone or not.
    try services.manifest.recordApplied([], firstSequences: [wal.record.id: needed])
    try wal.release(before: needed)
  }

  /// Logs that failed are never applied, and would keep their segments, and all later ones, for as long as the store is open.
  private func carryFailedLogs(of wal: WriteAheadLog) throws(AofError) {
    guard wal.failure == nil else { return }
    let ids = wal.logsInClosedSegments
    // One that is being purged may go on as before if that comes to nothing.
    let failed = state.withLock { state in ids.compactMap { state.open[$0] } }
      .filter { log in log.failure.map { $0.code != .purged } ?? false }
    if !failed.isEmpty { try wal.carryForward(failed, applied: applied) }
  }

  /// How far a log is durable in its chunk files and in the manifest. Of one that is gone nothing is needed.
  private func applied(_ id: LogID) -> LSN { state.withLock { $0.open[id] }?.appliedLSN ?? .max }
}
