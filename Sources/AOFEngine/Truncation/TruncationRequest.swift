import AOFCore
import AOFSystem

/// One wish to forget a part of a log: what lies below an LSN, or what lies at and past it. Used once.
public final class TruncationRequest: Sendable {
  /// Which part goes.
  public enum Direction: Hashable, Sendable {
    /// What lies below the LSN, in whole pages of ``Limits/trimUnit``.
    case head
    /// What lies at and past the LSN; a new generation of the log begins there.
    case tail
  }

  struct State {
    /// Leases that are waited for.
    var leases = 0
    var isCancelled = false
  }

  public let direction: Direction
  public let lsn: LSN
  /// How long leases on what goes are waited for. Zero does not wait.
  public let timeout: Duration
  let state = Monitor(State())

  /// - Parameter timeout: how long leases on what goes are waited for; by default 30 seconds.
  public init(_ direction: Direction, at lsn: LSN, timeout: Duration = TruncationRequest.standardTimeout) {
    self.direction = direction
    self.lsn = lsn
    self.timeout = timeout
  }

  /// 30 seconds.
  public static let standardTimeout = Duration.seconds(30)

  /// Ends the waiting, on any thread: the truncation throws `interrupted` and changes nothing. Once it is decided this
  /// does nothing.
  public func cancel() { state.change { $0.isCancelled = true } }

  /// - Throws: `interrupted` once the request was cancelled.
  func checkCancellation() throws(AofError) {
    if state.withLock({ $0.isCancelled }) { throw Self.cancelled }
  }

  /// A lease that is waited for ended.
  func leaseEnded() { state.change { $0.leases -= 1 } }

  /// Waits for the leases that there are on the chunks. Those that are taken from now on are not waited for, so readers
  /// that come again and again cannot keep a truncation from its end.
  /// - Throws: `timedOut`, `interrupted`.
  func waitForLeases(on chunks: [SealedChunk]) throws(AofError) {
    defer { for chunk in chunks { chunk.stopWatching() } }
    for chunk in chunks {
      let count = chunk.watchLeases(self)
      state.change { $0.leases += count }
    }
    let isFree = try state.wait(atMost: timeout.wholeMilliseconds) { state throws(AofError) -> Bool? in
      if state.isCancelled { throw Self.cancelled }
      return state.leases == 0 ? true : nil
    }
    guard isFree == nil else { return }
    throw AofError(
      .timedOut, "readers hold what is to go, and did not let go of it within \(timeout)",
      remedy: "close their cursors, or try again with a longer timeout")
  }

  private static var cancelled: AofError { AofError(.interrupted, "the truncation was cancelled") }
}
