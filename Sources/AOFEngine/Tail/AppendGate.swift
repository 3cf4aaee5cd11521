import AOFSystem
import Synchronization

/// Holds appends back while the store is far behind with applying what a WAL holds, so that a WAL has a largest size.
///
/// INVARIANT: who closes it has made sure that it will be opened.
final class AppendGate: Sendable {
  private let isClosed = Monitor(false)
  /// The same, for appends, which look at it each time.
  private let hint = Atomic(false)

  /// Waits while the gate is closed.
  func pass() {
    guard hint.load(ordering: .relaxed) else { return }
    isClosed.wait { $0 ? nil : () }
  }

  func close() { set(true) }

  func open() { set(false) }

  private func set(_ value: Bool) {
    isClosed.change { isClosed in
      isClosed = value
      hint.store(value, ordering: .relaxed)
    }
  }
}
