import AOFCore
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// A WAL that its store cannot keep up with has a largest size.
@Suite struct BackPressureTests {
  private let store = TestStore(inMemory: true)
  private let disk = FaultyDisk()
  private let jobs = HeldJobs()

  init() {
    let jobs = jobs
    store.waitsAfterOpening = false
    store.environment = Environment(
      disk: disk, clock: SystemClock(), random: { UInt64.random(in: .min ... .max) },
      makeQueue: { kind throws(AofError) in
        let queue = try Environment.startThreads(for: kind)
        return kind == .maintenance ? HeldQueue(queue, jobs) : queue
      }, walSegmentSize: 256 << 10)
  }

  /// Appends until the WAL has as many segments as it may have.
  private func fill(_ log: Aof) throws {
    let bytes = [UInt8](repeating: 7, count: Limits.largestInlineAppend)
    while log.wal.closedSegmentCount < WriteAheadLog.closedSegmentsBeforeWaiting { try log.append(bytes) }
  }

  @Test func appendsWaitForAReleaseThatIsFarBehind() throws {
    let log = try store.log()
    try fill(log)
    let isDone = Monitor(false)
    let appender = try SystemThread.start("appender") {
      do { try log.append([1]) } catch { Issue.record(error) }
      isDone.change { $0 = true }
    }
    #expect(isDone.wait(atMost: 200) { $0 ? true : nil } == nil, "the append did not wait")
    jobs.letGo()
    appender.join()
    store.waitForMaintenance()
    #expect(log.wal.closedSegmentCount < WriteAheadLog.closedSegmentsBeforeApplying)
    #expect(try log.bytes(at: LSN(rawValue: log.tailLSN.rawValue - 1), count: 1) == [1])
  }

  /// What will not come must not be waited for.
  @Test func appendsGoOnWhenAReleaseFails() throws {
    let (failing, other) = (try store.log(), try store.log("other"))
    try fill(failing)
    disk.fail(.sync, ".chunk", errno: EIO)
    jobs.letGo()
    store.waitForMaintenance()
    #expect(failing.failure != nil)
    #expect(failing.wal.closedSegmentCount >= WriteAheadLog.closedSegmentsBeforeWaiting)
    try other.append([2])
    #expect(try other.contents() == [2])
  }
}

/// Whether the jobs of a ``HeldQueue`` run, and those that do not yet.
private final class HeldJobs: Sendable {
  struct State {
    var isFree = false
    var held: [@Sendable () -> Void] = []
  }

  let state = Lock(State())

  func letGo() {
    let held = state.withLock { state in
      state.isFree = true
      defer { state.held = [] }
      return state.held
    }
    for release in held { release() }
  }
}

/// A queue whose jobs wait until the test lets them go.
private final class HeldQueue: JobQueue {
  private let queue: any JobQueue
  private let jobs: HeldJobs

  init(_ queue: any JobQueue, _ jobs: HeldJobs) {
    self.queue = queue
    self.jobs = jobs
  }

  func add(_ job: @escaping @Sendable () -> Void) -> Bool {
    let queue = queue
    let isHeld = jobs.state.withLock { state in
      if !state.isFree { state.held.append { queue.add(job) } }
      return !state.isFree
    }
    return isHeld || queue.add(job)
  }

  func add(after milliseconds: Int, _ job: @escaping @Sendable () -> Void) -> Bool {
    queue.add(after: milliseconds, job)
  }

  func close() {
    jobs.letGo()
    queue.close()
  }
}
