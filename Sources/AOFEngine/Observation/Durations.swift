/// How long things took: a histogram with fixed bounds, so that adding to it allocates nothing.
package struct Durations: Hashable, Sendable {
  /// Upper bounds of the buckets, from what an `fdatasync` of a fast disk takes to what a large upload does.
  package static let bounds: [Duration] = [
    .microseconds(100), .microseconds(250), .microseconds(500), .milliseconds(1), .microseconds(2500),
    .milliseconds(5), .milliseconds(10), .milliseconds(25), .milliseconds(50), .milliseconds(100), .milliseconds(250),
    .milliseconds(500), .seconds(1), .milliseconds(2500), .seconds(5), .seconds(10), .seconds(30), .seconds(60),
    .seconds(300),
  ]

  /// How many were at most each bound and more than the one before; the last counts those above all bounds.
  package private(set) var counts = [UInt64](repeating: 0, count: Durations.bounds.count + 1)
  package private(set) var sum = Duration.zero

  package var count: UInt64 { counts.reduce(0, +) }

  mutating func add(_ duration: Duration) {
    counts[Self.bounds.firstIndex { duration <= $0 } ?? Self.bounds.count] += 1
    sum += duration
  }

  mutating func add(_ other: Durations) {
    for (index, count) in other.counts.enumerated() { counts[index] += count }
    sum += other.sum
  }
}
