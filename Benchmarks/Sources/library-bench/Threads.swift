import Glibc

/// Seconds of a clock that only goes forward.
func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Runs `body` on `count` threads at once, waits for all of them, and returns what they gave, one after the other.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> [Double]) throws -> [Double] {
  final class Box: @unchecked Sendable {  // each thread has its own, and nobody reads before the join
    let work: @Sendable () throws -> [Double]
    var result = Result<[Double], any Error>.success([])
    init(_ work: @escaping @Sendable () throws -> [Double]) { self.work = work }
  }
  let boxes = (0..<count).map { index in Box { try body(index) } }
  var threads = [pthread_t](repeating: pthread_t(), count: count)
  for (index, box) in boxes.enumerated() {
    pthread_create(
      &threads[index], nil,
      { argument in
        guard let argument else { return nil }
        let box = Unmanaged<Box>.fromOpaque(argument).takeUnretainedValue()
        box.result = Result { try box.work() }
        return nil
      }, Unmanaged.passUnretained(box).toOpaque())
  }
  for thread in threads { pthread_join(thread, nil) }
  return try boxes.flatMap { try $0.result.get() }
}
