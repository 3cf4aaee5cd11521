import AOFCore
import AOFSystem
import Synchronization

/// Those who wait for a watermark to reach an LSN, without a thread each. Costs nothing while nobody waits.
final class MarkWatch: Sendable {
  private struct Wait: Sendable {
    let log: Aof
    let mark: AwaitedMark
    let lsn: LSN
    let whenDone: @Sendable (Result<Void, AofError>) -> Void

    /// Nil as long as it goes on.
    var outcome: Result<Void, AofError>? {
      let marks = log.watermarks
      if (mark == .durable ? marks.durable : marks.remote) >= lsn { return .success(()) }
      return log.obstacle(to: mark).map { .failure($0) }
    }
  }

  private struct State {
    var waits: [UInt64: Wait] = [:]
    var next: UInt64 = 0
  }

  /// INVARIANT: at least the number of waits, from before any of them looks at its watermark. Watermarks are read and
  /// moved under a log's or a WAL's lock, so whoever moves one that was looked at before sees this count.
  private let count = Atomic<Int>(0)
  private let state = Lock(State())

  func add(
    _ log: Aof, _ mark: AwaitedMark, _ lsn: LSN, whenDone: @escaping @Sendable (Result<Void, AofError>) -> Void
  ) -> UInt64 {
    count.wrappingAdd(1, ordering: .relaxed)
    let id = state.withLock { state in
      defer { state.next += 1 }
      state.waits[state.next] = Wait(log: log, mark: mark, lsn: lsn, whenDone: whenDone)
      return state.next
    }
    check()
    return id
  }

  /// A watermark may have moved, or will move no more. To be called outside of locks, after each.
  func moved() {
    if count.load(ordering: .relaxed) > 0 { check() }
  }

  /// Forgets a wait. False if it is over.
  @discardableResult
  func cancel(_ id: UInt64) -> Bool { remove(id) != nil }

  /// Ends all waits.
  func endAll(_ error: AofError) {
    for id in state.withLock({ Array($0.waits.keys) }) { remove(id)?.whenDone(.failure(error)) }
  }

  private func remove(_ id: UInt64) -> Wait? {
    guard let wait = state.withLock({ $0.waits.removeValue(forKey: id) }) else { return nil }
    count.wrappingSubtract(1, ordering: .relaxed)
    return wait
  }

  private func check() {
    for (id, wait) in state.withLock({ $0.waits }) {
      if let outcome = wait.outcome { remove(id)?.whenDone(outcome) }
    }
  }
}

/// A watermark that can be waited for.
package enum AwaitedMark: String, Sendable {
  case durable, remote
}

/// A wait for a watermark, to be given up.
package struct MarkWait: Sendable {
  fileprivate let id: UInt64
  fileprivate let marks: MarkWatch

  /// Gives the wait up. False if it is over, and its closure was called or is being called.
  @discardableResult
  package func cancel() -> Bool { marks.cancel(id) }
}

extension Aof {
  /// Calls `whenDone` once everything below `lsn` is durable, or on the remote; or with what keeps that from ever
  /// happening. At once, or on the thread of whoever moved the mark: it must not wait.
  package func whenReached(
    _ mark: AwaitedMark, _ lsn: LSN, whenDone: @escaping @Sendable (Result<Void, AofError>) -> Void
  ) -> MarkWait {
    let marks = services.observation.marks
    return MarkWait(id: marks.add(self, mark, lsn, whenDone: whenDone), marks: marks)
  }

  /// Why a mark will move no more; nil as long as it may.
  fileprivate func obstacle(to mark: AwaitedMark) -> AofError? {
    switch mark {
    case .durable: failure
    case .remote: services.checkpointer.fence ?? failure
    }
  }
}
