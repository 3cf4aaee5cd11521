import AOFCore
import Glibc

/// Calls back at times that lie ahead, on one thread, which is started with the first of them.
///
/// The closures run one after the other, and must not wait.
package final class AlarmClock: Sendable {
  /// A call that is set, to be taken back.
  package struct Alarm: Hashable, Sendable {
    fileprivate let number: UInt64
  }

  private struct State {
    var alarms: [UInt64: (deadline: Int64, action: @Sendable () -> Void)] = [:]
    var next: UInt64 = 0
    var thread: SystemThread?
    var isStarting = false
    var isClosed = false
  }

  private let state = Monitor(State())

  package init() {}

  deinit { state.change { $0.isClosed = true } }

  /// Calls `action` once, after `delay`. After ``close()`` it is never called.
  /// - Throws: `system(EAGAIN)` when the process may start no more threads.
  package func set(after delay: Duration, _ action: @escaping @Sendable () -> Void) throws(AofError) -> Alarm {
    let deadline = Self.now + max(0, delay.milliseconds)
    let (alarm, starts) = state.change { state in
      defer { state.next += 1 }
      state.alarms[state.next] = (deadline, action)
      let starts = !state.isStarting && !state.isClosed
      if starts { state.isStarting = true }
      return (Alarm(number: state.next), starts)
    }
    guard starts else { return alarm }
    do throws(AofError) {
      let thread = try SystemThread.start("alarms") { [state] in Self.run(state) }
      state.withLock { $0.thread = thread }
    } catch {
      state.withLock { state in
        state.isStarting = false
        state.alarms[alarm.number] = nil
      }
      throw error
    }
    return alarm
  }

  /// Takes a call back. It may be running.
  package func cancel(_ alarm: Alarm) { state.withLock { $0.alarms[alarm.number] = nil } }

  /// Forgets all calls and ends the thread.
  package func close() {
    let thread = state.change { state in
      state.isClosed = true
      state.alarms.removeAll()
      return state.thread
    }
    thread?.join()
  }

  private static func run(_ state: Monitor<State>) {
    while true {
      let (due, earliest, seen) = state.withLock { state in
        let now = now
        let due = state.alarms.filter { $0.value.deadline <= now }
        for number in due.keys { state.alarms[number] = nil }
        return (due.values.sorted { $0.deadline < $1.deadline }, state.alarms.values.map(\.deadline).min(), state.next)
      }
      for alarm in due { alarm.action() }
      guard due.isEmpty else { continue }
      // Only a new alarm can be due before the earliest one.
      let wait = earliest.map { Int(clamping: max(0, $0 - now)) } ?? Int(Int32.max)
      _ = state.wait(atMost: wait) { $0.isClosed || $0.next != seen ? () : nil }
      if state.withLock({ $0.isClosed }) { return }
    }
  }

  /// Milliseconds of a clock that nobody sets.
  private static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) &* 1000 &+ Int64(time.tv_nsec) / 1_000_000
  }
}

extension Duration {
  /// Rounded up, and cut at what 64 bits hold.
  package var milliseconds: Int64 {
    let (seconds, rest) = components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    guard !overflow else { return seconds < 0 ? .min : .max / 2 }
    return min(whole, .max / 2) + (rest + 999_999_999_999_999) / 1_000_000_000_000_000
  }
}
