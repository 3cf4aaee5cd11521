import AOFCore
import AOFFormat
import AOFSystem

/// Somebody who waits until everything before a position survives power loss.
struct SyncWaiter {
  let position: WalPosition
  let whom: Whom

  enum Whom {
    /// A thread that sleeps, and looks again when it is woken.
    case thread(Parker)
    /// Called once, on whatever thread flushed: nil, or why the sync failed.
    case callback(@Sendable (AofError?) -> Void)
  }
}

/// Group commit: whoever wants a sync while none is under way flushes for all that wait, and those that come
/// meanwhile are served by the next flush.
extension WriteAheadLog {
  /// Makes everything before `position` survive power loss. With nothing to do there is no flush.
  func sync(through position: WalPosition) throws(AofError) {
    let parker = Parker.current
    while true {
      switch state.withLock({ $0.beginSync(through: position, .thread(parker)) }) {
      case .done: return
      case .failed(let error): throw error
      case .wait: parker.park()
      case .flush: flush(isLast: true)
      }
    }
  }

  /// As ``sync(through:)``, for threads that have more to do than to wait for others: `whenDone` is called once, here
  /// or on the thread of whoever flushes.
  func sync(through position: WalPosition, whenDone: @escaping @Sendable (AofError?) -> Void) {
    switch state.withLock({ $0.beginSync(through: position, .callback(whenDone)) }) {
    case .done: whenDone(nil)
    case .failed(let error): whenDone(error)
    case .wait: return
    case .flush:
      state.withLock { $0.syncWaiters.append(SyncWaiter(position: position, whom: .callback(whenDone))) }
      flushWhileAwaited()
    }
  }

  /// Goes on as the flusher until nobody waits.
  private func flushWhileAwaited() {
    while flush(isLast: false) {}
  }

  /// Syncs what is written, as the thread that has the flusher's role, and tells those that waited for it.
  /// - Parameter isLast: whether the thread gives the role up whoever waits.
  /// - Returns: whether it still has the role.
  @discardableResult
  private func flush(isLast: Bool) -> Bool {
    // A thread that leaves waits for itself; others are among those that wait.
    let own = isLast ? 1 : 0
    awaitGroup(besides: own)
    let (files, end) = state.withLock { ($0.unsyncedFiles, $0.written) }
    let watch = Stopwatch()
    var failure: AofError?
    do throws(AofError) {
      for file in files { try file.syncData() }
    } catch {
      fail(error)
      failure = self.failure
    }
    let took = watch.elapsed
    var successor: Parker?
    let (served, lost, keepsRole, mustQueue) = state.withLock { state in
      if failure == nil { state.synced = end }
      let served = state.takeServed(failure: failure)
      state.lastGroup = served.count + own
      if failure == nil { state.counts.flushed(for: state.lastGroup, took: took) }
      // The WAL failed meanwhile: nobody will flush what these wait for.
      let lost = state.failure.map { (waiters: state.takeServed(failure: $0), failure: $0) }
      let isAwaited = !state.syncWaiters.isEmpty
      if isLast, isAwaited { successor = state.takeWaitingThread() }
      let mustQueue = isLast && isAwaited && successor == nil
      let keepsRole = !isLast && isAwaited
      state.isFlushing = keepsRole || mustQueue
      return (served, lost, keepsRole, mustQueue)
    }
    successor?.unpark()
    if mustQueue, !flusher.add({ [self] in flushWhileAwaited() }) { flushWhileAwaited() }
    for waiter in served { waiter.tell(failure) }
    if let lost { for waiter in lost.waiters { waiter.tell(lost.failure) } }
    observation.marks.moved()
    return keepsRole
  }

  /// Those whom the last flush served are likely to come again, each with its next append. The ones that are about to are
  /// let by, or the flush would serve the first of them alone, and all others wait for a second one.
  private func awaitGroup(besides own: Int) {
    for _ in 0..<Self.longestGroupWait {
      let isComplete = state.withLock { $0.syncWaiters.count + own >= $0.lastGroup }
      if isComplete { return }
      SystemThread.yield()
    }
  }

  /// How often the flusher lets others by before it flushes.
  private static let longestGroupWait = 32
}

extension SyncWaiter {
  func tell(_ failure: AofError?) {
    switch whom {
    case .thread(let parker): parker.unpark()
    case .callback(let whenDone): whenDone(failure)
    }
  }
}

extension WriteAheadLog.State {
  enum SyncStep {
    case done
    case failed(AofError)
    /// The waiter was added to those that are told.
    case wait
    /// The caller has the flusher's role.
    case flush
  }

  mutating func beginSync(through position: WalPosition, _ whom: SyncWaiter.Whom) -> SyncStep {
    if synced >= position { return .done }
    if let failure { return .failed(failure) }
    guard isFlushing else {
      isFlushing = true
      return .flush
    }
    syncWaiters.append(SyncWaiter(position: position, whom: whom))
    return .wait
  }

  /// Takes those out whose positions are synced, or all after a failure.
  mutating func takeServed(failure: AofError?) -> [SyncWaiter] {
    let limit = failure == nil ? synced : WalPosition(rawValue: .max)
    let served = syncWaiters.filter { $0.position <= limit }
    syncWaiters.removeAll { $0.position <= limit }
    return served
  }

  /// A waiting thread that can flush next.
  mutating func takeWaitingThread() -> Parker? {
    for (index, waiter) in syncWaiters.enumerated() {
      guard case .thread(let parker) = waiter.whom else { continue }
      syncWaiters.remove(at: index)
      return parker
    }
    return nil
  }

  /// The files with bytes from `synced` to `written`.
  fileprivate var unsyncedFiles: [File] {
    segments.filter { $0.segment.base < written && ($0.end ?? written) > synced }.map(\.segment.file)
  }
}
