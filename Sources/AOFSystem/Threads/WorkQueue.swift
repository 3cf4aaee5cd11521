import AOFCore
import Glibc

/// Threads of their own that run closures in the order in which they came. For work that waits: the
/// remote, background sealing. The first one is started with the queue, the others when there is work for them.
package final class WorkQueue: JobQueue {
  private struct State {
    var jobs: [@Sendable () -> Void] = []
    /// Jobs whose time is yet to come, in milliseconds of the monotonic clock; the first of them first.
    var timed: [(time: Int, job: @Sendable () -> Void)] = []
    /// Counts the jobs that ``timed`` got, so that who waits for the first of them looks again.
    var timedEver = 0
    var closed = false
    /// Threads that wait for something to do.
    var idle = 0
    /// Threads that were started, or are being started.
    var started = 0
    var threads: [SystemThread] = []

    /// What a thread is to do at a time; nil for nothing, as long as no more than `known` timed jobs ever came.
    mutating func next(at time: Int, unless known: Int) -> Next? {
      if !jobs.isEmpty { return .run(jobs.removeFirst()) }
      if closed { return .end }
      if let first = timed.first, first.time <= time { return .run(timed.removeFirst().job) }
      return timedEver == known ? nil : .again
    }
  }

  private let state = Monitor(State())
  private let name: String
  private let limit: Int
  private let givesWay: Bool

  /// - Parameters:
  ///   - count: how many threads there are at most.
  ///   - givesWay: whether the threads have a lower priority than others.
  /// - Throws: as ``SystemThread/start(_:_:)``.
  package init(name: String, threads count: Int, givesWay: Bool = false) throws(AofError) {
    self.name = name
    limit = count
    self.givesWay = givesWay
    state.withLock { $0.started = 1 }
    try start(0)
  }

  /// A queue that nobody can use any more ends its threads as well, but waits for nothing.
  deinit { state.change { $0.closed = true } }

  /// Queues a job; false, and the job is dropped, after ``close()``.
  @discardableResult
  package func add(_ job: @escaping @Sendable () -> Void) -> Bool {
    let (isTaken, next) = state.change { state -> (Bool, Int?) in
      guard !state.closed else { return (false, nil) }
      state.jobs.append(job)
      guard state.jobs.count > state.idle, state.started < limit else { return (true, nil) }
      state.started += 1
      return (true, state.started - 1)
    }
    // One that cannot be started is no harm: there is a thread, which comes to the job later.
    if let next { do throws(AofError) { try start(next) } catch { state.change { $0.started -= 1 } } }
    return isTaken
  }

  private func start(_ index: Int) throws(AofError) {
    let thread = try SystemThread.start("\(name)-\(index)") { [state, givesWay] in
      if givesWay { SystemThread.giveWay() }
      WorkQueue.run(state)
    }
    state.change { $0.threads.append(thread) }
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
    for thread in state.wait(until: { $0.threads.count == $0.started ? $0.threads : nil }) { thread.join() }
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
    // Who takes a job is idle no more from the same moment on, or a job that comes then would wait for it.
    let ready = { (state: inout State) -> Next? in
      let next = state.next(at: now, unless: count)
      if next != nil { state.idle -= 1 }
      return next
    }
    state.withLock { $0.idle += 1 }
    guard let first else { return state.wait(until: ready) }
    if let next = state.wait(atMost: max(0, first - now), until: ready) { return next }
    state.withLock { $0.idle -= 1 }
    return .again
  }
}
