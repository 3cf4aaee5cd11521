import AOFCore
import Glibc

/// Where the time comes from; a parameter, so that a simulation can bring its own.
package protocol WallClock: Sendable {
  func now() -> UnixTime
}

/// A clock that can also be waited by, for tries that are repeated.
package protocol WaitingClock: WallClock {
  /// Milliseconds since some moment. Whoever sets the wall clock does not move it.
  func uptime() -> Int
  /// Waits, at most until `isOver` becomes true.
  func wait(milliseconds: Int, unless isOver: Monitor<Bool>)
}

/// The machine's real-time clock.
package struct SystemClock: WaitingClock {
  package init() {}

  package func now() -> UnixTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UnixTime(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
  }

  package func uptime() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
  }

  package func wait(milliseconds: Int, unless isOver: Monitor<Bool>) {
    _ = isOver.wait(atMost: milliseconds) { $0 ? () : nil }
  }
}

/// Measures how long something takes, whoever sets the wall clock meanwhile. For reports alone: nothing that the store
/// does may depend on it.
package struct Stopwatch: Sendable {
  private let start = Stopwatch.now

  package init() {}

  package var elapsed: Duration { .nanoseconds(max(0, Self.now - start)) }

  private static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
