import Glibc

/// A value behind a lock that nobody waits on for a change of the value; ``Monitor`` adds the waiting.
///
/// A pthread mutex: the standard library's `Mutex` serves as well, but ThreadSanitizer does not see it on Linux, and
/// then reports races in what it guards. Bodies run under the lock: they compute and copy, and make no system call.
package final class Lock<State: ~Copyable>: @unchecked Sendable {  // `mutex` guards `state`
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private var state: State

  package init(_ state: consuming sending State) {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    self.state = state
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Runs `body` on the value, alone.
  @inlinable
  package func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lock()
    defer { unlock() }
    return try body(&unguarded)
  }

  @usableFromInline
  package var unguarded: State {
    @inline(__always) _read { yield state }
    @inline(__always) _modify { yield &state }
  }

  @usableFromInline package func lock() { pthread_mutex_lock(mutex) }
  @usableFromInline package func unlock() { pthread_mutex_unlock(mutex) }
}
