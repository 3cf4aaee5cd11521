import Synchronization

/// Numbers the uses of a store's sealed chunks: the lower the number, the longer ago.
final class UseCounter: Sendable {
  private let count = Atomic<UInt64>(0)

  func next() -> UInt64 { count.wrappingAdd(1, ordering: .relaxed).newValue }
}
