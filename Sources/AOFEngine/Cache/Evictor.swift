import AOFCore
import AOFSystem

/// Evicts for the quota, whoever needs room: a log, which does not know its store, or the store itself.
///
/// Who finds nothing that may go has looked at all that is cached. That is not done again for each append that is refused
/// and each frame that is fetched, but when there may be more to find: once something became evictable, or time passed, in
/// which readers may have let go of something.
final class Evictor: Sendable {
  private struct State {
    var isBusy = false
    /// Counts what became evictable.
    var news: UInt64 = 0
    /// The last run, if it left the files larger than they should be.
    var failure: Failure?
  }

  private struct Failure {
    let outcome: Result<Void, AofError>
    /// What it knew of.
    let news: UInt64
    let uptime: Int
  }

  private let state = Monitor(State())
  /// Whether the order of eviction has what lay on the disk when the store was opened.
  let hasOrder = Lock(false)
  /// Whether files were freed of what is in them and counts as gone.
  let hasDiscardedStrays = Lock(false)

  /// How long nothing is looked for again, in milliseconds.
  static let pause = 1000

  /// Not stored as it is, for the reason of ``Hook``.
  private struct Action {
    let run: @Sendable (Int) throws(AofError) -> Bool
  }

  private let action = Lock<Action?>(nil)
  private let clock: any WallClock

  init(clock: any WallClock) { self.clock = clock }

  /// `run`: evicts until the files take no more than that many bytes. False if there is not enough that may go.
  func use(_ run: @escaping @Sendable (Int) throws(AofError) -> Bool) { action.withLock { $0 = Action(run: run) } }

  /// There may be more to evict than there was.
  func foundMore() { state.withLock { $0.news &+= 1 } }

  /// Evicts what is used least until the files take no more than `target` bytes, or nothing is left that may
  /// go. One thread at a time does it; the others wait, and need not do it again. Blocks on the local disk.
  func makeRoom(downTo target: Int) throws(AofError) {
    let (news, failure) = state.wait { state -> (UInt64, Failure?)? in
      if state.isBusy { return nil }
      state.isBusy = true
      return (state.news, state.failure)
    }
    var next = failure
    defer {
      state.change { state in
        state.isBusy = false
        state.failure = next
      }
    }
    if let failure, failure.news == news, isRecent(failure) { return try failure.outcome.get() }
    next = nil
    do throws(AofError) {
      guard let isEnough = try action.withLock({ $0 })?.run(target), !isEnough else { return }
      next = Failure(outcome: .success(()), news: news, uptime: uptime)
    } catch {
      next = Failure(outcome: .failure(error), news: news, uptime: uptime)
      throw error
    }
  }

  private func isRecent(_ failure: Failure) -> Bool {
    let (passed, overflow) = uptime.subtractingReportingOverflow(failure.uptime)
    return !overflow && (0..<Self.pause).contains(passed)
  }

  /// A simulation has no other clock than one that is set back now and then, which ends the pause.
  private var uptime: Int { (clock as? any WaitingClock)?.uptime() ?? Int(clock.now().rawValue / 1_000_000) }
}
