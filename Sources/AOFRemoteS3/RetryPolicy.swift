/// When a request that failed is tried again: after a random time below a bound that doubles with each try ("full
/// jitter"), so that clients which failed together do not come back together.
struct RetryPolicy: Sendable {
  /// The bound of the first pause, in milliseconds.
  var firstPause = 100
  /// The bound of every pause, in milliseconds.
  var longestPause = 5000
  /// No try begins later than this after the first one, in milliseconds.
  var deadline = 30_000
  var attempts = 10

  /// Tries for so long, in milliseconds: as many as that time has room for with the longest pauses, and at least the
  /// standard number.
  static func lasting(_ deadline: Int) -> RetryPolicy {
    var policy = RetryPolicy(deadline: deadline)
    policy.attempts = max(policy.attempts, 2 * deadline / policy.longestPause)
    return policy
  }

  /// What asks for nothing that somebody waits for: one more try, no longer.
  static let brief = RetryPolicy(deadline: 5000, attempts: 2)

  /// The pause before the next try, in milliseconds; nil if there is to be none.
  ///
  /// - Parameters:
  ///   - attempt: how many tries there have been.
  ///   - elapsed: milliseconds since the first one began.
  ///   - asked: how long the server wants to be left alone.
  ///   - random: draws from a range.
  func pause(after attempt: Int, elapsed: Int, asked: Int?, random: (ClosedRange<Int>) -> Int) -> Int? {
    guard attempt < attempts else { return nil }
    let bound = min(longestPause, firstPause << min(attempt - 1, 20))
    let pause = max(random(0...bound), asked ?? 0)
    return elapsed + pause <= deadline ? pause : nil
  }
}
