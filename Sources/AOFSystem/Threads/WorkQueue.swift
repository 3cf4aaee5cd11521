import AOFCore
import Glibc

/// Threads of their own that run closures in the order in which they came. For work that waits: the
/// remote, background sealing.
package final class WorkQueue: JobQueue {
  private struct State {
    var jobs: [@Sendable () -> Void] = []
    /// Jobs whose time is yet to come, in milliseconds of the monotonic clock; the first of them first.
    var timed: [(time: Int, job: @Sendable () -> Void)] = []
    /// Counts the jobs that ``timed`` got, so that who waits for the first of them looks again.
    var timedEver = 0
    var closed = false
  }

  private let state = Monitor(State())
  private let threads: [SystemThread]

  /// - Parameter givesWay: whether the threads have a lower priority than others.
  /// - Throws: as ``SystemThread/start(_:_:)``.
  package init(name: String, threads count: Int, givesWay: Bool = false) throws(AofError) {
    let state = state
    var threads: [SystemThread] = []
    do throws(AofError) {
      for index in 0..<count {
        threads.append(try SystemThread.start("\(name)-\(index)") {
            if givesWay { SystemThread.giveWay() }
            WorkQueue.run(state)
          })
      }
    } catch {
      state.change { $0.closed = true }
      throw error
    }
    self.threads = threads
  }

  /// A queue that nobody can use any more ends its threads as well, but waits for nothing.
  deinit { state.change { $0.closed = true } }

  /// Queues a job; false, and the job is dropped, after ``close()``.
  @discardableResult
  package func add(_ job: @escaping @Sendable () -> Void) -> Bool {
    state.change { state in
      if !state.closed { state.jobs.append(job) }
      return !state.closed
    }
  }

  @discardableResult
  package func add(after milliseconds: Int, _ job: @escaping @Sendable () -> Void) -> Bool {
    let (time, overflow) = Self.now().addingReportingOverflow(max(0, milliseconds))
    return state.change { state in
      guard !state.closed, !overflow else { return false }
      state.timed.insert((time, job), at: state.timed.firstIndex { $0.time > time } ?? state.timed.endIndex)
      state.timedEver += 1
      return true
    }
  }

  private static func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
  }

  /// Finishes the queued jobs and ends the threads. Blocks until both are done.
  package func close() {
    state.change { $0.closed = true }
    for thread in threads { thread.join() }
  }

  private static func run(_ state: Monitor<State>) {
    while true {
      switch next(state) {
      case .run(let job): job()
      case .end: return
      case .again: continue
      }
    }
  }

  private enum Next {
    case run(@Sendable () -> Void)
    /// The time of a job has come, or one was added that comes first.
    case again
    case end
  }

  /// Waits until there is something to do.
  private static func next(_ state: Monitor<State>) -> Next {
    let now = now()
    let (first, count) = state.withLock { ($0.timed.first?.time, $0.timedEver) }
    let ready = { (state: inout State) -> Next? in
      if !state.jobs.isEmpty { return .run(state.jobs.removeFirst()) }
      if state.closed { return .end }
      if let timed = state.timed.first, timed.time <= now { return .run(state.timed.removeFirst().job) }
      return state.timedEver == count ? nil : .again
    }
    guard let first else { return state.wait(until: ready) }
    return state.wait(atMost: max(0, first - now), until: ready) ?? .again
  }
}
