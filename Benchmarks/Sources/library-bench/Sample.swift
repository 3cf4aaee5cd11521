/// What one run of a piece of work came to.
struct Sample {
  /// Seconds that each append took, its sync included, sorted.
  private let latencies: [Double]
  /// Seconds from the first append to the end of the last sync.
  private let elapsed: Double
  private let bytes: Int

  init(latencies: [Double], elapsed: Double, bytes: Int) {
    self.latencies = latencies.sorted()
    self.elapsed = elapsed
    self.bytes = bytes
  }

  /// Microseconds; `fraction` 0.5 is the median.
  private func latency(_ fraction: Double) -> Double {
    latencies[min(latencies.count - 1, Int(Double(latencies.count) * fraction))] * 1e6
  }

  /// As the driver prints it.
  var json: String {
    """
    {"operations": \(latencies.count), "bytes": \(bytes), "seconds": \(elapsed), "per_second": \(Double(latencies.count) / elapsed), \
    "bytes_per_second": \(Double(bytes) / elapsed), "p50_us": \(latency(0.5)), "p99_us": \(latency(0.99))}
    """
  }
}
