import AOFSystem

@testable import AOFFileSystem

/// A value that closures share.
final class Shared<Value: Sendable>: Sendable {
  private let mutex: Lock<Value>
  init(_ value: Value) { mutex = Lock(value) }
  var value: Value {
    get { mutex.withLock { $0 } }
    set { mutex.withLock { $0 = newValue } }
  }
}

/// A waiter that a signal reaches when the test says so.
final class TestWaiter: Waiter {
  private let state = Lock((hasGone: false, isStaying: false))

  /// A signal comes.
  func interrupt() { state.withLock { $0.hasGone = !$0.isStaying } }

  var hasGone: Bool { state.withLock { $0.hasGone } }

  func stay() -> Bool {
    state.withLock { state in
      state.isStaying = !state.hasGone
      return state.isStaying
    }
  }
}
