import Glibc

/// What one run of a piece of work came to.
struct Sample {
  /// Seconds that each append took, its sync included, sorted.
  var latencies: [Double]
  /// Seconds from the first append to the end of the last sync.
  var elapsed: Double
  var bytes: Int

  init(latencies: [Double], elapsed: Double, bytes: Int) {
    self.latencies = latencies.sorted()
    self.elapsed = elapsed
    self.bytes = bytes
  }

  /// Seconds; `fraction` 0.5 is the median.
  func latency(_ fraction: Double) -> Double {
    latencies[min(latencies.count - 1, Int(Double(latencies.count) * fraction))]
  }

  /// Appends a second.
  var rate: Double { Double(latencies.count) / elapsed }

  /// Bytes a second.
  var throughput: Double { Double(bytes) / elapsed }
}

/// Seconds of a clock that only goes forward.
func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Runs `body` on `count` threads at once, and waits for all of them.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> [Double]) -> [Double] {
  final class Box: @unchecked Sendable {  // each thread has its own, and nobody reads before the join
    let index: Int
    let body: @Sendable (Int) -> [Double]
    var result: [Double] = []
    init(_ index: Int, _ body: @escaping @Sendable (Int) -> [Double]) {
      self.index = index
      self.body = body
    }
  }
  let boxes = (0..<count).map { Box($0, body) }
  var threads = [pthread_t](repeating: pthread_t(), count: count)
  for (index, box) in boxes.enumerated() {
    pthread_create(
      &threads[index], nil,
      { argument in
        guard let argument else { return nil }
        let box = Unmanaged<Box>.fromOpaque(argument).takeUnretainedValue()
        box.result = box.body(box.index)
        return nil
      }, Unmanaged.passUnretained(box).toOpaque())
  }
  for thread in threads { pthread_join(thread, nil) }
  return boxes.flatMap(\.result)
}
