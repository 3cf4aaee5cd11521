import AOFCore
import Glibc

/// The signals that end a daemon, taken by a thread that waits for them.
package enum Signals {
  package enum Received: Equatable, Sendable {
    case terminate
    case interrupt
    case hangUp
  }

  /// Blocks the signals for this thread and those it starts, and ignores SIGPIPE.
  ///
  /// Call it before any thread is started, or a signal may end the process on one that does not block it.
  package static func blockForWaiting() {
    var set = waited()
    pthread_sigmask(SIG_BLOCK, &set, nil)
    signal(SIGPIPE, SIG_IGN)
  }

  /// Waits for the next of the blocked signals; nil after `milliseconds` without one.
  package static func wait(atMost milliseconds: Int? = nil) -> Received? {
    var set = waited()
    while true {
      let number: Int32
      if let milliseconds {
        var limit = timespec(tv_sec: milliseconds / 1000, tv_nsec: (milliseconds % 1000) * 1_000_000)
        number = sigtimedwait(&set, nil, &limit)
      } else {
        number = sigwaitinfo(&set, nil)
      }
      switch number {
      case SIGTERM: return .terminate
      case SIGINT: return .interrupt
      case SIGHUP: return .hangUp
      default: if errno != EINTR { return nil }
      }
    }
  }

  private static func waited() -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, signal) }
    return set
  }

  /// Ends the process at once, without unwinding: other threads may be stuck.
  package static func endProcess(_ code: Int32) -> Never { _exit(code) }
}
