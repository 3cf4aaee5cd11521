import AOFCore

/// Decides what is to be checkpointed when. Pure: it is told what there is, and the time.
struct CheckpointSchedule {
  typealias Instant = ContinuousClock.Instant

  /// What the remote lacks of one log.
  struct News {
    var remote: LSN
    var sealed: LSN
    var tail: LSN
    let chunkSize: ChunkSize
    /// Whether the remote must learn of something that is not bytes: a trim, a truncation, a name.
    var isStale = false
    /// Whether the log takes appends, and so can be sealed.
    var isSound = true

    /// Whether a chunk is full, and not all of it is in the remote.
    fileprivate var hasFullChunk: Bool { chunkSize.chunkStart(chunkSize.chunkID(for: sealed)) > remote }

    fileprivate var isNews: Bool { isStale || (isSound ? tail : sealed) > remote }
  }

  /// One log that is due.
  struct Due: Hashable {
    let log: LogID
    /// Whether it is sealed first; else what is sealed already is enough.
    let isSealed: Bool
  }

  private let policy: CheckpointPolicy
  /// When news was first seen of each log that has some, and the remote LSN that it was seen at.
  private var waiting: [LogID: (since: Instant, remote: LSN)] = [:]
  private var nextRound: Instant
  /// After the remote did not take anything: nothing is due before.
  private var pause: Pause?
  /// Logs that failed where others did not, and are not due before.
  private var pauses: [LogID: Pause] = [:]

  private struct Pause {
    var failures = 0
    var end: Instant

    /// Longer each time.
    mutating func prolong(_ now: Instant) {
      failures += 1
      end = now + min(longestPause, firstPause * (1 << min(failures - 1, 10)))
    }
  }

  init(_ policy: CheckpointPolicy, now: Instant) {
    self.policy = policy
    nextRound = now + min(policy.interval, policy.maximumAge)
  }

  /// When ``due(_:now:)`` is to be asked again at the latest.
  var nextTime: Instant { max(nextRound, pause?.end ?? nextRound) }

  /// Whether the remote is not left in peace after a failure.
  func mayTry(now: Instant) -> Bool { pause.map { now >= $0.end } ?? true }

  /// The logs that are due, in the order of their ids.
  mutating func due(_ news: [LogID: News], now: Instant) -> [Due] {
    note(news, now)
    guard mayTry(now: now) else { return [] }
    let isRound = now >= nextRound
    if isRound { nextRound = now + min(policy.interval, policy.maximumAge) }
    return news.keys.sorted().compactMap { id in
      guard let log = news[id], log.isNews, let since = waiting[id]?.since, pauses[id].map({ now >= $0.end }) ?? true else { return nil }
      let isOld = now - since >= policy.maximumAge
      if isRound, isOld || UInt64(log.tail - log.remote) >= policy.minimumNews.rawValue {
        return Due(log: id, isSealed: log.isSound)
      }
      return log.hasFullChunk ? Due(log: id, isSealed: false) : nil
    }
  }

  private mutating func note(_ news: [LogID: News], _ now: Instant) {
    for (id, log) in news {
      if !log.isNews {
        waiting[id] = nil
      } else if waiting[id]?.remote != log.remote {
        waiting[id] = (now, log.remote)
      }
    }
    for id in waiting.keys where news[id] == nil { waiting[id] = nil }
    for id in pauses.keys where waiting[id] == nil { pauses[id] = nil }
  }

  /// The remote did not take what was due: it is left in peace for a while, longer each time.
  /// - Returns: whether it is the first time.
  mutating func didFail(now: Instant) -> Bool {
    var new = pause ?? Pause(end: now)
    new.prolong(now)
    pause = new
    nextRound = new.end
    return new.failures == 1
  }

  /// What is wrong with one log is its own: the others go on.
  /// - Returns: whether it is the first time.
  mutating func didFail(_ log: LogID, now: Instant) -> Bool {
    pauses[log, default: Pause(end: now)].prolong(now)
    return pauses[log]?.failures == 1
  }

  mutating func didSucceed(_ log: LogID) { pauses[log] = nil }

  /// - Returns: whether it had failed before.
  mutating func didSucceed() -> Bool {
    defer { pause = nil }
    return pause != nil
  }

  static let firstPause = Duration.seconds(5)
  static let longestPause = Duration.seconds(5 * 60)
}
