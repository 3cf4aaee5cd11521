import AOFCore
import AOFSystem
import Synchronization
import Testing

/// A wait that never ends would hang the run; the time limit turns it into a failure.
@Suite(.timeLimit(.minutes(60))) struct MonitorTests {
  @Test func waitSeesAChange() throws {
    let monitor = Monitor(0)
    let thread = try SystemThread.start("changer") { monitor.change { $0 = 7 } }
    #expect(monitor.wait { $0 == 7 ? "seven" : nil } == "seven")
    thread.join()
  }

  @Test func waitTakesWhatItFinds() {
    let monitor = Monitor([1, 2, 3])
    let first: Int = monitor.wait { $0.isEmpty ? nil : $0.removeFirst() }
    #expect(first == 1)
    #expect(monitor.withLock { $0 } == [2, 3])
  }

  @Test func allWaitersWake() throws {
    let monitor = Monitor(false)
    let woken = Atomic(0)
    let threads = try withThreads(8) { _ in
      monitor.wait { $0 ? () : nil }
      woken.add(1, ordering: .relaxed)
    }
    monitor.change { $0 = true }
    for thread in threads { thread.join() }
    let wokenNow = woken.load(ordering: .relaxed)
    #expect(wokenNow == 8)
  }

  @Test func bodiesAreAlone() throws {
    let monitor = Monitor(0)
    let threads = try withThreads(4) { _ in
      for _ in 0..<10_000 { monitor.withLock { $0 += 1 } }
    }
    for thread in threads { thread.join() }
    #expect(monitor.withLock { $0 } == 40_000)
  }

  @Test(arguments: [Int.min, -1_000_000_007, -1, 0, 1, 20, 1001])
  func timeoutsEnd(_ milliseconds: Int) {
    let monitor = Monitor(0)
    var calls = 0
    let result: Int? = monitor.wait(atMost: milliseconds) { _ in
      calls += 1
      return nil
    }
    #expect(result == nil)
    #expect(calls >= 2, "the value is looked at once more when the time is up")
  }

  @Test(arguments: [0, 1, Int.max])
  func aValueThatIsThereNeedsNoTime(_ milliseconds: Int) {
    #expect(Monitor(5).wait(atMost: milliseconds) { $0 } == 5)
  }

  @Test func aChangeEndsATimedWait() throws {
    let monitor = Monitor(0)
    let thread = try SystemThread.start("changer") { monitor.change { $0 = 1 } }
    #expect(monitor.wait(atMost: .max) { $0 == 1 ? $0 : nil } == 1)
    thread.join()
  }

  @Test func errorsLeaveTheLockFree() {
    let monitor = Monitor(0)
    let failing: (inout Int) throws(AofError) -> Int? = { _ throws(AofError) in throw AofError(.busy, "no") }
    #expect(code { () throws(AofError) in _ = try monitor.withLock(failing) } == .busy)
    #expect(code { () throws(AofError) in _ = try monitor.change(failing) } == .busy)
    #expect(code { () throws(AofError) in _ = try monitor.wait(until: failing) } == .busy)
    #expect(code { () throws(AofError) in _ = try monitor.wait(atMost: 9, until: failing) } == .busy)
    #expect(monitor.withLock { $0 } == 0)
  }
}

func withThreads(
  _ count: Int, _ body: @escaping @Sendable (Int) -> Void
) throws(AofError) -> [SystemThread] {
  var threads: [SystemThread] = []
  for index in 0..<count { threads.append(try SystemThread.start("test-\(index)") { body(index) }) }
  return threads
}
