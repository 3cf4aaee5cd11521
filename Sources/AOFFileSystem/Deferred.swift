import AOFCore

/// An answer that comes later: the caller puts its reply aside, then starts the work.
package struct Deferred<Value: Sendable>: Sendable {
  /// Whether the waiting may be given up when the caller gets a signal; the work goes on in any case. False
  /// where the thing is done already and EINTR would be a lie.
  package let isInterruptible: Bool
  private let work: @Sendable (@escaping @Sendable (Result<Value, AofError>) -> Void) -> Void

  init(
    isInterruptible: Bool, work: @escaping @Sendable (@escaping @Sendable (Result<Value, AofError>) -> Void) -> Void
  ) {
    self.isInterruptible = isInterruptible
    self.work = work
  }

  /// Starts the work; call it once. `whenDone` is called once, on any thread, possibly before this returns.
  package func start(whenDone: @escaping @Sendable (Result<Value, AofError>) -> Void) { work(whenDone) }
}
