import Glibc

/// Where one thread sleeps until another one wakes it. Every thread has one of its own, so waiting allocates nothing.
///
/// Each ``unpark()`` ends one ``park()``, whichever comes first. So who parks hands its parker to exactly one other
/// thread at a time.
package final class Parker: @unchecked Sendable {  // `mutex` guards `isWoken`
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let woken: UnsafeMutablePointer<pthread_cond_t>
  private var isWoken = false

  private init() {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    woken = .allocate(capacity: 1)
    woken.initialize(to: pthread_cond_t())
    pthread_cond_init(woken, nil)
  }

  deinit {
    pthread_cond_destroy(woken)
    woken.deallocate()
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, releaseParker)
    return key
  }()

  /// The calling thread's.
  package static var current: Parker {
    if let known = pthread_getspecific(key) { return Unmanaged<Parker>.fromOpaque(known).takeUnretainedValue() }
    let new = Parker()
    pthread_setspecific(key, Unmanaged.passRetained(new).toOpaque())
    return new
  }

  /// Sleeps until ``unpark()``. For the thread that owns the parker.
  package func park() {
    pthread_mutex_lock(mutex)
    while !isWoken { pthread_cond_wait(woken, mutex) }
    isWoken = false
    pthread_mutex_unlock(mutex)
  }

  package func unpark() {
    pthread_mutex_lock(mutex)
    isWoken = true
    pthread_cond_signal(woken)
    pthread_mutex_unlock(mutex)
  }
}

private func releaseParker(_ parker: UnsafeMutableRawPointer?) {
  guard let parker else { return }
  Unmanaged<Parker>.fromOpaque(parker).release()
}
