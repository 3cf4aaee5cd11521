import AOFCore

/// What a WAL did since the store was opened. Lies in the WAL's state: it is counted under locks that are held anyway.
package struct WalCounts: Sendable {
  /// Units of bytes that became visible in their logs, and those bytes.
  package private(set) var appends: UInt64 = 0
  package private(set) var appendedBytes: UInt64 = 0
  /// System calls that wrote them.
  package private(set) var writes: UInt64 = 0
  /// Requests to sync that a flush served. Those that found nothing to do are not counted.
  package private(set) var syncs: UInt64 = 0
  /// Flushes, each a system call for one file or more.
  package private(set) var flushes = Durations()

  /// One write made appends visible.
  mutating func wrote(_ records: Int, _ bytes: Int) {
    appends += UInt64(records)
    appendedBytes += UInt64(bytes)
    writes += 1
  }

  /// One flush served `requests`.
  mutating func flushed(for requests: Int, took duration: Duration) {
    syncs += UInt64(requests)
    flushes.add(duration)
  }

  mutating func add(_ other: WalCounts) {
    appends += other.appends
    appendedBytes += other.appendedBytes
    writes += other.writes
    syncs += other.syncs
    flushes.add(other.flushes)
  }
}
