import Glibc

/// A value behind a lock that nobody waits on for a change of the value; ``Monitor`` adds the waiting.
///
/// A pthread mutex: the standard library's `Mutex` serves as well, but ThreadSanitizer does not see it on Linux, and
/// then reports races in what it guards. Bodies run under the lock: they compute and copy, and make no system call.
package final class Lock<State: ~Copyable>: @unchecked Sendable {  // `mutex` guards what `state` points to
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  /// Apart from the object: access to a variable of a class is checked at run time, and the lock does that already.
  @usableFromInline package let state: UnsafeMutablePointer<State>

  package init(_ state: consuming sending State) {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    self.state = .allocate(capacity: 1)
    self.state.initialize(to: state)
  }

  deinit {
    state.deinitialize(count: 1)
    state.deallocate()
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
    return try body(&state.pointee)
  }

  @usableFromInline package func lock() { pthread_mutex_lock(mutex) }
  @usableFromInline package func unlock() { pthread_mutex_unlock(mutex) }
}
