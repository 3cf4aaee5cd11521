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
