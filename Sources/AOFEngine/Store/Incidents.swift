import AOFCore
import AOFSystem
import Logging

/// Something that went wrong in a store and that its owner should know of.
public struct Incident: Hashable, Sendable {
  public let time: UnixTime
  /// What happened, where, and what was done about it.
  public let message: String
}

/// The latest incidents of a store, for its status; each is logged as well.
final class Incidents: Sendable {
  /// Older ones are in the log output alone.
  static let kept = 100

  private let clock: any WallClock
  private let logger: Logger
  private let latest = Lock<[Incident]>([])

  init(clock: any WallClock, logger: Logger) {
    self.clock = clock
    self.logger = logger
  }

  func report(_ message: String) {
    logger.warning("\(message)")
    let incident = Incident(time: clock.now(), message: message)
    latest.withLock { latest in
      latest.append(incident)
      if latest.count > Self.kept { latest.removeFirst() }
    }
  }

  /// Oldest first.
  var all: [Incident] { latest.withLock { $0 } }
}
