import Glibc

/// A value behind a lock that threads can wait on.
///
/// ``Lock`` serves wherever nobody waits for a change of the value; a monitor adds
/// the waiting. Bodies run under the lock: they compute and copy, and make no system call.
package final class Monitor<State>: @unchecked Sendable {  // `mutex` guards what `state` points to
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  /// As in ``Lock``.
  @usableFromInline package let state: UnsafeMutablePointer<State>

  package init(_ state: sending State) {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    changed = .allocate(capacity: 1)
    changed.initialize(to: pthread_cond_t())
    // Waits last as long as they say, whoever sets the wall clock meanwhile.
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
    self.state = .allocate(capacity: 1)
    self.state.initialize(to: state)
  }

  deinit {
    state.deinitialize(count: 1)
    state.deallocate()
    pthread_cond_destroy(changed)
    changed.deallocate()
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Runs `body` on the value, alone.
  @inlinable
  package func withLock<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lock()
    defer { unlock() }
    return try body(&state.pointee)
  }

  /// Runs `body` on the value, alone, then wakes all waiters.
  @inlinable
  package func change<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lock()
    defer {
      wakeAll()
      unlock()
    }
    return try body(&state.pointee)
  }

  /// Waits until `ready` returns a value, and returns it. `ready` runs under the lock, at once and after
  /// each ``change(_:)``; it may change the value when it returns one.
  @inlinable
  package func wait<Result, Failure: Error>(
    until ready: (inout State) throws(Failure) -> Result?
  ) throws(Failure) -> Result {
    lock()
    defer { unlock() }
    while true {
      if let result = try ready(&state.pointee) { return result }
      waitForChange()
    }
  }

  /// As ``wait(until:)``, but nil after `milliseconds` without a value.
  package func wait<Result, Failure: Error>(
    atMost milliseconds: Int, until ready: (inout State) throws(Failure) -> Result?
  ) throws(Failure) -> Result? {
    let milliseconds = max(0, milliseconds)
    var deadline = timespec()
    clock_gettime(CLOCK_MONOTONIC, &deadline)
    deadline.tv_sec += milliseconds / 1000
    deadline.tv_nsec += (milliseconds % 1000) * 1_000_000
    if deadline.tv_nsec >= 1_000_000_000 {
      deadline.tv_nsec -= 1_000_000_000
      deadline.tv_sec += 1
    }
    lock()
    defer { unlock() }
    while true {
      if let result = try ready(&state.pointee) { return result }
      if pthread_cond_timedwait(changed, mutex, &deadline) == ETIMEDOUT { return try ready(&state.pointee) }
    }
  }

  @usableFromInline package func lock() { pthread_mutex_lock(mutex) }
  @usableFromInline package func unlock() { pthread_mutex_unlock(mutex) }
  @usableFromInline package func wakeAll() { pthread_cond_broadcast(changed) }
  @usableFromInline package func waitForChange() { pthread_cond_wait(changed, mutex) }
}
