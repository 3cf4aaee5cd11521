import Synchronization

/// Reads of sealed bytes: those that the local disk could answer, and those that the remote was asked for.
final class ReadCounts: Sendable {
  let hits = Atomic<UInt64>(0)
  let misses = Atomic<UInt64>(0)
}
