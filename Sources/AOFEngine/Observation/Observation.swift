import AOFCore
import AOFSystem
import Logging

/// What happened in a store since it was opened: the one place that is told. It counts, keeps the latest events for those
/// who read them, and logs. Nobody who reports waits for anybody who reads.
package final class Observation: Sendable {
  /// Incidents that the status shows; older ones are in the log output alone.
  static let keptIncidents = 100
  /// Events that are kept for readers.
  package static let keptEvents = 1024
  /// A message is cut here, so that what is kept is bounded in bytes too.
  private static let longestMessage = 2000

  fileprivate struct State {
    var totals = EngineTotals()
    var incidents: [Incident] = []
    /// A ring: the event with number n is at `n % keptEvents`.
    var events: [ObservedEvent] = []
    var nextNumber: UInt64 = 0
    var whenNews: (@Sendable () -> Void)?
  }

  /// Those who wait for a watermark.
  let marks = MarkWatch()
  private let clock: any WallClock
  private let logger: Logger
  private let state = Lock(State())

  init(clock: any WallClock, logger: Logger) {
    self.clock = clock
    self.logger = logger
  }

  // MARK: Reporting

  /// Never call it under a lock: it logs.
  package func report(_ event: EngineEvent) {
    log(event)
    let time = clock.now()
    let whenNews = state.withLock { state in
      state.take(event, at: time)
      return state.whenNews
    }
    whenNews?()
    if event.errorKind != nil { marks.moved() }
  }

  /// Something that went wrong and that nobody is answered with.
  func report(_ kind: Incident.Kind, _ message: String, isRepeated: Bool = false) {
    report(.incident(kind, String(message.prefix(Self.longestMessage)), isRepeated: isRepeated))
  }

  /// An error that nobody is answered with, and what it kept from being done.
  func report(_ error: AofError, _ message: String, isRepeated: Bool = false) {
    report(Incident.Kind(error), "\(message): \(error)", isRepeated: isRepeated)
  }

  private func log(_ event: EngineEvent) {
    switch event {
    case .incident(_, let message, _): logger.warning("\(message)")
    case .checkpoint(let checkpoint):
      if let failure = checkpoint.failure { logger.warning("a checkpoint failed: \(failure)") }
    case .trim(let log, let lsn): logger.notice("log \(log) begins at LSN \(lsn)")
    case .truncation(let log, let lsn, let generation):
      logger.notice("log \(log) ended at LSN \(lsn), generation \(generation)")
    case .seal, .hydration, .eviction, .merger, .tidying, .discard, .restore, .purge, .mount, .unmount: break
    }
  }

  // MARK: Reading

  /// Oldest first.
  var incidents: [Incident] { state.withLock { $0.incidents } }

  package var totals: EngineTotals { state.withLock { $0.totals } }

  /// The oldest event that is kept, or the next one if none is.
  package var firstEvent: UInt64 { state.withLock { $0.firstNumber } }

  /// At most `limit` events from `number` on, in order, and how many before them are kept no more.
  package func events(from number: UInt64, limit: Int) -> (missed: UInt64, events: [ObservedEvent]) {
    state.withLock { state in
      let first = max(number, state.firstNumber)
      let end = min(state.nextNumber, first + UInt64(max(limit, 0)))
      guard first < end else { return (first - number, []) }
      return (first - number, (first..<end).map { state.events[Int($0 % UInt64(Self.keptEvents))] })
    }
  }

  /// Whether an event with this number or a later one happened.
  package func hasEvent(from number: UInt64) -> Bool { state.withLock { $0.nextNumber > number } }

  /// Sets whom to tell of each event, on the thread of whoever reports it: it must not wait. One at a time.
  package func whenNews(_ action: (@Sendable () -> Void)?) { state.withLock { $0.whenNews = action } }
}

extension Observation.State {
  fileprivate var firstNumber: UInt64 { nextNumber - UInt64(events.count) }

  fileprivate mutating func take(_ event: EngineEvent, at time: UnixTime) {
    totals.add(event, at: time)
    if case .incident(let kind, let message, _) = event {
      incidents.append(Incident(time: time, kind: kind, message: message))
      if incidents.count > Observation.keptIncidents { incidents.removeFirst() }
    }
    let observed = ObservedEvent(number: nextNumber, time: time, event: event)
    if events.count < Observation.keptEvents {
      events.append(observed)
    } else {
      events[Int(nextNumber % UInt64(Observation.keptEvents))] = observed
    }
    nextNumber += 1
  }
}
