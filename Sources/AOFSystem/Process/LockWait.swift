import AOFCore
import Glibc

/// Waiting for another process to let go of a file.
package enum LockWait {
  /// Waits until nobody holds the advisory lock of a file or directory, at most `milliseconds`. Takes no lock that stays.
  /// - Returns: whether it became free in time.
  /// - Throws: `notFound`, or what the system answered to opening it.
  package static func untilFree(_ path: String, atMost milliseconds: Int) throws(AofError) -> Bool {
    let file = try open(path)
    let isFree = Monitor(false)
    // The system wakes a thread that waits for a lock, but knows no time limit for it. After one that passed,
    // the thread stays until the lock is free.
    _ = try SystemThread.start("lock-wait") {
      while flock(file.descriptor, LOCK_EX) != 0 {
        guard errno == EINTR else { return }
      }
      flock(file.descriptor, LOCK_UN)
      isFree.change { $0 = true }
    }
    return isFree.wait(atMost: milliseconds) { $0 ? () : nil } != nil
  }

  /// Filesystems of other machines lock only what is open for writing, which no directory can be.
  private static func open(_ path: String) throws(AofError) -> ByteStream {
    do throws(AofError) {
      return try .open(path, .readWrite)
    } catch where error.errno == EISDIR {
      return try .open(path, .read)
    }
  }
}
