import AOFCore
import AOFManifest
import AOFSystem

extension AofManager {
  /// Makes everything appended durable in the chunk files, records it and lets go of the store. Nobody may use its
  /// logs any more. Blocks on the local disk, and until hydrations under way are done.
  /// - Throws: the first failure; what could not be recorded stays in the WAL, and the next opening recovers it.
  public func close() throws(AofError) {
    defer { lock.release() }
    state.withLock { $0.isClosing = true }
    endCheck()
    state.withLock { $0.measuring.take() }?.close()
    endCheckpoints()
    services.automaticCheckpoints.end()
    endWaits()
    services.maintenance.close()
    services.compression.close()
    services.hydrator.close()
    let logs = state.withLock { $0.open.values.sorted { $0.id < $1.id } }
    var failure = applyTails(of: logs)
    for log in logs {
      do throws(AofError) { try log.recordResidency() } catch { failure = failure ?? error }
    }
    for wal in state.withLock({ $0.walsInOrder }) {
      do throws(AofError) {
        try wal.asCommitter { () throws(AofError) in wal.closeSegment() }
        try release(wal)
      } catch {
        failure = failure ?? error
      }
    }
    saveCacheOrder()
    do throws(AofError) { try services.manifest.close() } catch { failure = failure ?? error }
    if let failure { throw failure }
  }

  /// Lets no checkpoint begin any more; one that is under way fails soon with `interrupted`, as does all that waits for the
  /// remote. What the remote lacks is safe in the store. Does not wait.
  public func endCheckpoints() {
    services.checkpointer.cancel()
    services.remoteChunks.cancel()
  }

  /// Makes the tails of logs that nobody uses any more durable in the chunk files, and records all of that at once.
  /// - Returns: the first failure; the other logs are recorded all the same.
  private func applyTails(of logs: [Aof]) -> AofError? {
    var failure: AofError?
    var done: [(log: Aof, progress: AppliedProgress)] = []
    for part in logs.pieces(of: LocalChunkStore.logsAtOnce) {
      services.localChunks.syncTogether(part.filter { $0.writeTail() }.map(\.id))
      for log in part {
        do throws(AofError) {
          // A seal that is under way ends first; none begins any more.
          if let progress = try log.underMaintenance({ () throws(AofError) in try log.apply() }) { done.append((log, progress)) }
        } catch {
          failure = failure ?? error
        }
      }
    }
    do throws(AofError) {
      try services.reserve.tidingOver { () throws(AofError) in
        try services.manifest.recordApplied(done.map(\.progress), firstSequences: [:])
      }
      for (log, progress) in done { log.finishApplying(progress) }
    } catch {
      failure = failure ?? error
    }
    return failure
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

  /// Waits until the background work that is queued now is done, and what the measuring queues.
  package func waitForMaintenance() {
    let queues = [state.withLock { $0.measuring }, services.maintenance]
    for case let queue? in queues {
      let isDone = Monitor(false)
      if queue.add({ isDone.change { $0 = true } }) { isDone.wait { $0 ? () : nil } }
    }
  }

  /// Waits until the downloads that were asked for are done, and what fits is on the local disk.
  package func waitForDownloads() { services.hydrator.waitUntilIdle() }
}
