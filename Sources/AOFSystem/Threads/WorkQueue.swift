import AOFCore

/// Threads of their own that run closures in the order in which they came. For work that waits: the
/// remote, background sealing.
package final class WorkQueue: JobQueue {
  private struct State {
    var jobs: [@Sendable () -> Void] = []
    var closed = false
  }

  private let state = Monitor(State())
  private let threads: [SystemThread]

  /// - Parameter isIdle: whether the threads run only when no other wants to.
  /// - Throws: as ``SystemThread/start(_:_:)``.
  package init(name: String, threads count: Int, isIdle: Bool = false) throws(AofError) {
    let state = state
    var threads: [SystemThread] = []
    do throws(AofError) {
      for index in 0..<count {
        threads.append(try SystemThread.start("\(name)-\(index)") {
            if isIdle { SystemThread.becomeIdle() }
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

  /// Finishes the queued jobs and ends the threads. Blocks until both are done.
  package func close() {
    state.change { $0.closed = true }
    for thread in threads { thread.join() }
  }

  private static func run(_ state: Monitor<State>) {
    while true {
      let job: (@Sendable () -> Void)? = state.wait { state in
        guard state.jobs.isEmpty else { return .some(state.jobs.removeFirst()) }
        return state.closed ? .some(nil) : nil
      }
      guard let job else { return }
      job()
    }
  }
}
