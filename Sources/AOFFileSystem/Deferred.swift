import AOFCore

/// Who waits for a deferred answer. A signal may end the waiting, and then the answer finds nobody.
package protocol Waiter: Sendable {
  /// Whether a signal has ended the waiting.
  var hasGone: Bool { get }

  /// From now on no signal ends the waiting. Returns false if one has.
  func stay() -> Bool
}

/// A waiter whom no signal reaches.
package struct PatientWaiter: Waiter {
  package init() {}
  package var hasGone: Bool { false }
  package func stay() -> Bool { true }
}

/// An answer that comes later: the caller puts its reply aside, then starts the work.
package struct Deferred<Value: Sendable>: Sendable {
  package typealias WhenDone = @Sendable (Result<Value, AofError>) -> Void

  /// Whether the waiting may be given up when the caller gets a signal; the work goes on in any case. False
  /// where the thing is done already and EINTR would be a lie.
  package let isInterruptible: Bool
  private let work: @Sendable (any Waiter, @escaping WhenDone) -> Void

  init(isInterruptible: Bool, work: @escaping @Sendable (@escaping WhenDone) -> Void) {
    self.isInterruptible = isInterruptible
    self.work = { _, whenDone in work(whenDone) }
  }

  /// Interruptible work that must know whether its answer will be taken.
  init(work: @escaping @Sendable (any Waiter, @escaping WhenDone) -> Void) {
    isInterruptible = true
    self.work = work
  }

  /// Starts the work; call it once. `whenDone` is called once, on any thread, possibly before this returns; perhaps not at
  /// all if the waiter has gone.
  package func start(for waiter: any Waiter = PatientWaiter(), whenDone: @escaping WhenDone) { work(waiter, whenDone) }
}
