/// Runs jobs in the background; a parameter of the engine, so that a simulation can run them when its seed says so.
package protocol JobQueue: AnyObject, Sendable {
  /// Queues a job; false, and the job is dropped, after ``close()``. Never runs the job under a lock of the caller's.
  @discardableResult
  func add(_ job: @escaping @Sendable () -> Void) -> Bool
  /// Queues a job that is to run once `milliseconds` have passed. It is dropped if the queue is closed before.
  @discardableResult
  func add(after milliseconds: Int, _ job: @escaping @Sendable () -> Void) -> Bool
  /// Finishes the queued jobs, and takes no more. Returns when both are done.
  func close()
}

/// What the engine has queues for.
package enum JobKind: Hashable, Sendable {
  /// Background seals and releases, one after the other.
  case maintenance
  /// Compressing for checkpoints, which gives way to everything else.
  case compression
  /// The first look at what the chunk files take, which takes as long as there are many.
  case measuring
  /// Flushes of a WAL for those who wait without a thread.
  case flush
  /// Downloads, several at once. Callers may wait for them.
  case hydration
}
