import AOFCore
import Glibc

/// Where the time comes from; a parameter, so that a simulation can bring its own.
package protocol WallClock: Sendable {
  func now() -> UnixTime
}

/// The machine's real-time clock.
package struct SystemClock: WallClock {
  package init() {}

  package func now() -> UnixTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UnixTime(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
  }
}
