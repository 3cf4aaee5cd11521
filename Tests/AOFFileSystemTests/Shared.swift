import AOFSystem

/// A value that closures share.
final class Shared<Value: Sendable>: Sendable {
  private let mutex: Lock<Value>
  init(_ value: Value) { mutex = Lock(value) }
  var value: Value {
    get { mutex.withLock { $0 } }
    set { mutex.withLock { $0 = newValue } }
  }
}
