import AOFCore
import AOFManifest
import AOFSystem

/// The thread that checkpoints a store by itself, as its policy says.
final class AutomaticCheckpoints: Sendable {
  private struct State {
    var isEnding = false
    /// Whether a chunk became full.
    var isNudged = false
  }

  private let state = Monitor(State())
  private let thread = Lock<SystemThread?>(nil)

  /// Begins. The manager may go meanwhile, and then the thread does, too.
  func start(_ policy: CheckpointPolicy, for manager: AofManager) throws(AofError) {
    let thread = try SystemThread.start("aofs-checkpoint") { [weak manager, state] in
      var schedule = CheckpointSchedule(policy, now: .now)
      while Self.waits(state, until: schedule.nextTime) {
        guard let manager else { return }
        manager.checkpointWhatIsDue(&schedule)
      }
    }
    self.thread.withLock { $0 = thread }
  }

  /// A chunk became full: it need not wait for the next round.
  func nudge() { state.change { $0.isNudged = true } }

  /// Ends the thread without waiting for it.
  func cancel() { state.change { $0.isEnding = true } }

  /// Ends the thread. Waits for a checkpoint that is under way.
  func end() {
    cancel()
    thread.withLock { $0.take() }?.join()
  }

  /// - Returns: false once there is nothing to wait for any more.
  private static func waits(_ state: Monitor<State>, until time: ContinuousClock.Instant) -> Bool {
    let milliseconds = (time - .now).wholeMilliseconds
    let goesOn: Bool? = state.wait(atMost: milliseconds) { state in
      if state.isEnding { return false }
      guard state.isNudged else { return nil }
      state.isNudged = false
      return true
    }
    return goesOn ?? true
  }
}

extension AofManager {
  /// Starts checkpointing by itself, if the options say so.
  func startCheckpoints(_ policy: CheckpointPolicy?) throws(AofError) {
    if let policy { try services.automaticCheckpoints.start(policy, for: self) }
  }

  fileprivate func checkpointWhatIsDue(_ schedule: inout CheckpointSchedule) {
    do throws(AofError) {
      var requests: [Checkpointer.Request] = []
      for due in schedule.due(try news(), now: .now) {
        do throws(AofError) {
          requests.append(Checkpointer.Request(log: try log(due.log), isSealed: due.isSealed))
        } catch where error.code == .notFound {
          // Purged meanwhile.
        }
      }
      if requests.isEmpty {
        let (hasNames, isTidyingDue) = (try hasUnpublishedNames(), try services.checkpointer.isTidyingDue())
        guard schedule.mayTry(now: .now), hasNames || isTidyingDue else { return }
      }
      if let failure = note(checkpoint(requests: requests), &schedule) {
        return noteFailure(failure, &schedule, isRepeated: true)
      }
      try publishNames()
      try services.checkpointer.tidyIfDue()
      if schedule.didSucceed() { services.observation.report(.other, "automatic checkpoints go on") }
    } catch {
      noteFailure(error, &schedule, isRepeated: false)
    }
  }

  /// - Returns: why nothing could be checkpointed. What is damaged here is its log's own affair, and so is what the remote did not
  ///   take of one log where it took another.
  private func note(_ results: [LogID: Result<LSN, AofError>], _ schedule: inout CheckpointSchedule) -> AofError? {
    var failures: [(log: LogID, error: AofError)] = []
    var isTaken = false
    for (log, result) in results {
      switch result {
      case .success:
        schedule.didSucceed(log)
        isTaken = true
      case .failure(let error): if error.code != .purged { failures.append((log, error)) }
      }
    }
    if !isTaken, let shared = failures.first(where: { $0.error.code != .corrupt }) { return shared.error }
    for (log, error) in failures where schedule.didFail(log, now: .now) {
      services.observation.report(
        error, "log \(log) cannot be checkpointed, and is tried again until it can", isRepeated: true)
    }
    return nil
  }

  /// - Parameter isRepeated: whether the checkpoint itself has told of it.
  private func noteFailure(_ error: AofError, _ schedule: inout CheckpointSchedule, isRepeated: Bool) {
    let isFirst = schedule.didFail(now: .now)
    guard isFirst, error.code != .interrupted else { return }
    services.observation.report(
      error, "an automatic checkpoint failed, and is tried again until it succeeds", isRepeated: isRepeated)
  }

  /// What the remote lacks of each log, without opening those that nobody has used.
  private func news() throws(AofError) -> [LogID: CheckpointSchedule.News] {
    let (descriptors, open) = state.withLock { ($0.descriptors, $0.open) }
    let stale = try services.manifest.staleLogs()
    return descriptors.mapValues { record in
      guard let log = open[record.id] else {
        return CheckpointSchedule.News(
          remote: record.remote, sealed: record.sealed, tail: record.applied, chunkSize: record.chunkSize,
          isStale: stale.contains(record.id), isSound: record.failure == nil)
      }
      let marks = log.watermarks
      return CheckpointSchedule.News(
        remote: marks.remote, sealed: marks.sealed, tail: marks.tail, chunkSize: record.chunkSize,
        isStale: stale.contains(record.id), isSound: log.failure == nil)
    }
  }
}
