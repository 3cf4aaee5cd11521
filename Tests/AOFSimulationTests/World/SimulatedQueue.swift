import AOFCore
import AOFSystem

/// A queue of the engine's whose jobs run on the thread of the simulation, when that says so.
///
/// Callers wait for downloads and for compressed frames, so each of them runs as it is queued, with all that were queued before it; unless
/// ``isDeferring`` says that nobody waits. What is done once, when a store is opened, is done at once.
final class SimulatedQueue: JobQueue, @unchecked Sendable {  // used by the one thread that runs the simulation
  let kind: JobKind
  var isDeferring = false
  private let machine: Machine
  private let clock: SimulatedClock
  private var jobs: [@Sendable () -> Void] = []
  /// Jobs whose time is yet to come, in the order in which they came.
  private var timed: [(time: UnixTime, job: @Sendable () -> Void)] = []
  private var isClosed = false
  private var isRunning = false

  init(_ kind: JobKind, _ machine: Machine, _ clock: SimulatedClock) {
    self.kind = kind
    self.machine = machine
    self.clock = clock
  }

  func add(_ job: @escaping @Sendable () -> Void) -> Bool {
    guard !isClosed, machine.end == nil else { return false }
    jobs.append(job)
    if kind == .compression || kind == .hydration || kind == .measuring, !isDeferring, !isRunning { runAll() }
    return true
  }

  func add(after milliseconds: Int, _ job: @escaping @Sendable () -> Void) -> Bool {
    guard !isClosed, machine.end == nil else { return false }
    timed.append((UnixTime(rawValue: clock.now().rawValue + Int64(milliseconds) * 1_000_000), job))
    return true
  }

  func close() {
    timed = []
    runAll()
    isClosed = true
  }

  /// Runs the job that was queued first. False if there is none.
  @discardableResult
  func runNext() -> Bool {
    takeTimed()
    guard !jobs.isEmpty, !isRunning else { return false }
    isRunning = true
    jobs.removeFirst()()
    isRunning = false
    return true
  }

  /// The life is over: what was queued is never done. A job knows the store, and that its queues.
  func forgetJobs() {
    jobs = []
    timed = []
  }

  private func takeTimed() {
    guard !timed.isEmpty else { return }
    let now = clock.now()
    jobs += timed.filter { $0.time <= now }.map(\.job)
    timed.removeAll { $0.time <= now }
  }

  private func runAll() { while runNext() {} }
}

/// A clock that goes on with each look at it, and is set back now and then.
final class SimulatedClock: WallClock, @unchecked Sendable {  // used by the one thread that runs the simulation
  private var nanoseconds: Int64 = 1_700_000_000_000_000_000
  private var newest: Int64 = 0

  func now() -> UnixTime {
    nanoseconds += 1_000_003
    return UnixTime(rawValue: nanoseconds)
  }

  func set(_ change: Int64) {
    newest = max(newest, nanoseconds)
    nanoseconds += change
  }

  /// No earlier than any moment that was ever looked at.
  var latest: UnixTime { UnixTime(rawValue: max(newest, nanoseconds)) }
}

/// The random numbers that the engine asks for.
final class SimulatedRandom: @unchecked Sendable {  // used by the one thread that runs the simulation
  private var chance: Chance
  private let isConstant: Bool

  init(seed: UInt64, isConstant: Bool) {
    chance = Chance(seed)
    self.isConstant = isConstant
  }

  func next() -> UInt64 { isConstant ? 0xA0F5 : chance.next() }
}
