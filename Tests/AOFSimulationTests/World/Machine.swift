import AOFCore
import AOFSystem
import Glibc

/// What all parts of one simulated life share: its power, its failures to come, its chance and its trace.
///
/// A life lasts from an opening of the store until the power is cut, the process is killed, or the store is closed.
final class Machine: @unchecked Sendable {  // used by the one thread that runs the simulation, which is checked
  enum Kind: String {
    case open, write, sync, allocate, makeDirectory, syncDirectory, rename, remove, upload, put, get
  }

  enum End { case powerCut, kill }

  /// A failure that is still to come: of the operation of this kind that follows `skipped` others.
  struct Fault {
    let kind: Kind
    let errno: Int32
    var skipped: Int
  }

  /// What an operation is to do.
  enum Admission {
    case run
    /// Fail with this errno; a write may write a part.
    case fail(Int32)
    /// The last operation of this life: whether it, or a part of it, still happens.
    case last(happens: Bool)
  }

  private let thread = pthread_self()
  /// Restarted with each step, so that a step does the same whatever came before it.
  var chance: Chance
  var trace: Trace
  var faults: [Fault] = []
  /// The queues that the engine has asked for.
  var queues: [JobKind: SimulatedQueue] = [:]
  /// Local failures that happened in this life.
  private(set) var localFailures = 0
  private(set) var remoteFailures = 0
  private var operations = 0
  private var scheduledEnd: (operation: Int, end: End)?
  /// How the life ended.
  private(set) var end: End?
  /// Called at the moment of the end.
  var whenEnding: () -> Void = {}

  init(chance: Chance, trace: Trace) {
    self.chance = chance
    self.trace = trace
  }

  /// Ends the life with the operation that comes after `count` others.
  func schedule(_ end: End, after count: Int) { scheduledEnd = (operations + count + 1, end) }

  func endNow(_ end: End) {
    guard self.end == nil else { return }
    self.end = end
    trace.add("  \(end)")
    whenEnding()
    letGo()
  }

  /// The parts of a life know each other, and would keep each other.
  func letGo() {
    whenEnding = {}
    for queue in queues.values { queue.forgetJobs() }
    queues = [:]
  }

  /// Counts an operation, and says what becomes of it. - Throws: when the life is over.
  func admit(_ kind: Kind, _ path: String) throws(AofError) -> Admission {
    precondition(pthread_equal(thread, pthread_self()) != 0, "a simulation runs on one thread")
    guard end == nil else { throw Self.over(kind, path) }
    operations += 1
    if let scheduledEnd, operations >= scheduledEnd.operation { return .last(happens: chance.one(in: 2)) }
    for index in faults.indices where faults[index].kind == kind {
      if faults[index].skipped == 0 {
        if kind == .upload || kind == .put || kind == .get { remoteFailures += 1 } else { localFailures += 1 }
        return .fail(faults.remove(at: index).errno)
      }
      faults[index].skipped -= 1
    }
    return .run
  }

  /// - Throws: when the life is over.
  func checkAlive(_ path: String) throws(AofError) {
    guard end == nil else { throw Self.over(.open, path) }
  }

  /// Runs one operation of the disk. `partly` does a part of it, for a failure or an end in its middle.
  func run<Result>(
    _ kind: Kind, _ path: String, _ numbers: (Int, Int) = (0, 0), partly: () -> Void = {},
    _ body: () throws(AofError) -> Result
  ) throws(AofError) -> Result {
    switch try admit(kind, path) {
    case .run:
      do throws(AofError) {
        let result = try body()
        trace.add(kind.rawValue, path, numbers.0, numbers.1)
        return result
      } catch {
        trace.add(kind.rawValue, path, numbers.0, numbers.1, .failed(error.errno))
        throw error
      }
    case .fail(let errno):
      partly()
      trace.add(kind.rawValue, path, numbers.0, numbers.1, .failed(errno))
      throw .systemCall(kind.rawValue, path, errno: errno)
    case .last(let happens):
      if happens {
        // A part of a sync is no failed sync: the kernel goes on with it, or the power cut decides.
        if kind != .sync, chance.one(in: 2) { partly() } else { _ = try? body() }
      }
      trace.add(kind.rawValue, path, numbers.0, numbers.1, .powerLost)
      endNow(scheduledEnd?.end ?? .powerCut)
      throw Self.over(kind, path)
    }
  }

  private static func over(_ kind: Kind, _ path: String) -> AofError {
    .systemCall(kind.rawValue, path, errno: EIO)
  }
}
