import AOFCore
import AOFSystem

/// A queue of the engine's whose jobs run on the thread of the simulation, when that says so.
///
/// Callers wait for downloads and for compressed frames, so each of them runs as it is queued, with all that were queued before it; unless
/// ``isDeferring`` says that nobody waits.
final class SimulatedQueue: JobQueue, @unchecked Sendable {  // used by the one thread that runs the simulation
  let kind: JobKind
  var isDeferring = false
  private let machine: Machine
  private var jobs: [@Sendable () -> Void] = []
  private var isClosed = false
  private var isRunning = false

  init(_ kind: JobKind, _ machine: Machine) {
    self.kind = kind
    self.machine = machine
  }

  func add(_ job: @escaping @Sendable () -> Void) -> Bool {
    guard !isClosed, machine.end == nil else { return false }
    jobs.append(job)
    if kind == .compression || kind == .hydration, !isDeferring, !isRunning { runAll() }
    return true
  }

  func close() {
    runAll()
    isClosed = true
  }

  /// Runs the job that was queued first. False if there is none.
  @discardableResult
  func runNext() -> Bool {
    guard !jobs.isEmpty, !isRunning else { return false }
    isRunning = true
    jobs.removeFirst()()
    isRunning = false
    return true
  }

  /// The life is over: what was queued is never done. A job knows the store, and that its queues.
  func forgetJobs() { jobs = [] }

  private func runAll() { while runNext() {} }
}

/// A clock that goes on with each look at it, and is set back now and then.
final class SimulatedClock: WallClock, @unchecked Sendable {  // used by the one thread that runs the simulation
  private var nanoseconds: Int64 = 1_700_000_000_000_000_000

  func now() -> UnixTime {
    nanoseconds += 1_000_003
    return UnixTime(rawValue: nanoseconds)
  }

  func set(_ change: Int64) { nanoseconds += change }
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
