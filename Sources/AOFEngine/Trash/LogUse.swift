import AOFCore

/// A log that a program has open as a file: as long as this lives the log may go to the trash, but is not purged.
package final class LogUse: Sendable {
  package let log: Aof
  private let whenEnded: @Sendable () -> Void

  /// - Throws: `purged`.
  init(_ log: Aof, whenEnded: @escaping @Sendable () -> Void) throws(AofError) {
    try log.state.withLock { state throws(AofError) in
      if state.isPurged, let failure = state.failure { throw failure }
      state.uses += 1
    }
    self.log = log
    self.whenEnded = whenEnded
  }

  deinit {
    log.state.withLock { $0.uses -= 1 }
    whenEnded()
  }
}

extension Aof {
  /// As ``beginPurge()``, and waits for those who read the log for a moment. A checkpoint lets go of it with its next frame.
  /// - Throws: `timedOut`, too.
  func beginPurge(waitingUntil deadline: ContinuousClock.Instant) throws(AofError) -> AofError? {
    state.withLock { $0.purgesWanted += 1 }
    defer { state.withLock { $0.purgesWanted -= 1 } }
    while true {
      do throws(AofError) {
        return try beginPurge()
      } catch {
        let left = deadline - .now
        guard error.code == .busy, left > .zero, state.withLock({ $0.uses }) == 0 else { throw error }
        try waitForReaders(atMost: left)
      }
    }
  }

  /// Waits until what is under way is done, and for the leases that there are.
  private func waitForReaders(atMost timeout: Duration) throws(AofError) {
    do throws(AofError) {
      let isIdle: Void? = state.wait(atMost: timeout.wholeMilliseconds) { $0.isIdle || $0.uses > 0 ? () : nil }
      guard isIdle != nil else { throw AofError(.timedOut, "the log is being written") }
      let request = TruncationRequest(.head, at: .zero, timeout: timeout)
      try asOnlyTruncation(atMost: timeout) { () throws(AofError) in try request.waitForLeases(on: chunks.loaded) }
    } catch where error.code == .timedOut {
      throw AofError(
        .timedOut, "log \(id) is being read or written, and was not let go of within \(timeout)",
        remedy: "close the cursors that are open on it, or try again later", cause: error)
    }
  }

  /// Whoever reads the log for its own sake is to let go of it. - Throws: `purged` if somebody wants to purge the log.
  func checkPurge() throws(AofError) {
    guard state.withLock({ $0.purgesWanted == 0 }) else {
      throw AofError(.purged, "log \(id) is about to be purged", remedy: "it is done again if the log stays")
    }
  }

  /// Makes the log unusable for good, if nobody uses it: no append of it is under way, and none succeeds from now on.
  /// - Returns: what ``cancelPurge(_:)`` needs.
  /// - Throws: `busy`; `purged` if it is so already.
  func beginPurge() throws(AofError) -> AofError? {
    try underMaintenance { () throws(AofError) in
      try wal.asCommitter { () throws(AofError) in
        let isLeased = chunks.loaded.contains(where: \.isLeased)
        return try state.change { state throws(AofError) in
          if state.isPurged, let failure = state.failure { throw failure }
          guard !isLeased, state.isIdle else {
            throw AofError(.busy, "log \(id) is in use", remedy: "close the files and cursors that are open on it")
          }
          defer { state.failure = AofError(.purged, "log \(id) was purged") }
          return state.failure
        }
      }
    }
  }

  /// The log stays after all.
  func cancelPurge(_ failure: AofError?) { state.change { $0.failure = failure } }
}

extension LogState {
  fileprivate var isIdle: Bool {
    uses == 0 && turnsWanted == 0 && reserved == tail && !buffer.isDraining && !isTruncating
  }
}
