import AOFCore
import AOFManifest
import AOFSystem

/// A log in the trash.
public struct TrashedLog: Hashable, Sendable {
  public let id: LogID
  /// The path that it had.
  public let path: LogPath
  /// The bytes that it holds.
  public let size: ByteCount
  public let deletedAt: UnixTime
  /// From when on it may be purged.
  public let purgedFrom: UnixTime
}

/// The trash: what is deleted, or replaced by a rename, can be had back until the trash age has passed.
extension AofManager {
  /// The logs in the trash, in the order in which they were deleted.
  public func trash() throws(AofError) -> [TrashedLog] {
    var found: [TrashedLog] = []
    for record in nameSpace.trash {
      do throws(AofError) {
        found.append(
          TrashedLog(
            id: record.log, path: record.path, size: try size(of: record.log),
            deletedAt: record.deletedAt, purgedFrom: settings.trashAge.end(from: record.deletedAt)))
      } catch where error.code == .notFound {
        // Restored or purged meanwhile.
      }
    }
    return found
  }

  /// The bytes that a log holds, without opening one that nobody has used.
  private func size(of id: LogID) throws(AofError) -> ByteCount {
    let (open, record) = state.withLock { ($0.open[id], $0.descriptors[id]) }
    guard open == nil, let record else {
      let marks = try log(id).watermarks
      return ByteCount(rawValue: marks.tail.rawValue - marks.head.rawValue)
    }
    return ByteCount(rawValue: record.applied.rawValue - record.head.rawValue)
  }

  /// Moves a log to the trash: its name is free, and whoever has it open goes on with it.
  /// - Throws: `notFound`, `isADirectory`; local failures.
  public func discardLog(_ path: LogPath) throws(AofError) {
    guard let node = nameSpace.resolve(path), let name = node.name else {
      throw AofError(.notFound, "there is no log '\(path)'", remedy: "'aofs ls' lists the logs")
    }
    try discard(name, in: node.parent)
  }

  /// - Throws: `notFound`, `isADirectory`.
  package func discard(_ name: EntryName, in directory: NodeID) throws(AofError) {
    trashGrew(by: try nameSpace.discard(name, in: directory, time: services.environment.clock.now()))
  }

  /// Gives a log in the trash a name, by default its old one; directories that are gone are made again.
  /// - Throws: `notFound`; `alreadyExists`, `notADirectory` if the name is taken; local failures.
  public func restoreLog(_ id: LogID, as path: LogPath? = nil) throws(AofError) {
    guard let record = nameSpace.trashRecord(of: id) else {
      throw AofError(.notFound, "log \(id) is not in the trash", remedy: "'aofs trash ls' lists what is")
    }
    let path = path ?? record.path
    guard let name = path.names.last else { throw AofError(.invalidArgument, "a log needs a name") }
    do throws(AofError) {
      try nameSpace.restore(id, as: name, in: try makeDirectories(path.names.dropLast()))
    } catch where error.code == .alreadyExists || error.code == .notADirectory {
      throw AofError(
        error.code, "log \(id) cannot be restored as '\(path)': \(error.message)", remedy: "name another path for it",
        cause: error.cause)
    }
    services.observation.report(.restore(id, path))
  }

  /// The log, as a file that is open. - Throws: `notFound`, `isADirectory`, `purged`.
  package func use(_ id: LogID) throws(AofError) -> LogUse {
    try LogUse(log(id)) { [weak self] in self?.wasLetGo(id) }
  }

  private func wasLetGo(_ id: LogID) {
    guard let record = nameSpace.trashRecord(of: id), isExpired(record, at: services.environment.clock.now()) else {
      return
    }
    queuePurge()
  }
}

// MARK: - Purging

extension AofManager {
  /// Purges logs in the trash: when this returns their bytes are gone, from the local disk and from the remote. Waits for
  /// the remote.
  /// - Throws: `notFound` for what is not in the trash, `busy` for what is open as a file, `timedOut` for what is read for
  ///   longer than `timeout`, and the others are purged all the same; `remoteFailure`: then the remote forgets them with
  ///   a later checkpoint.
  public func purge(
    _ logs: [LogID], timeout: Duration = TruncationRequest.standardTimeout
  ) throws(AofError) {
    var failure: AofError?
    for id in logs where nameSpace.trashRecord(of: id) == nil {
      failure = failure ?? AofError(.notFound, "log \(id) is not in the trash", remedy: "'aofs trash ls' lists what is")
    }
    let purge = try purgeHere(logs.filter { nameSpace.trashRecord(of: $0) != nil }, deadline: .now + timeout)
    failure = failure ?? purge.failure
    try services.checkpointer.publishNames(purged: purge.logs)
    if let failure { throw failure }
  }

  /// The logs whose time in the trash has passed.
  package func expiredLogs() -> [LogID] {
    let now = services.environment.clock.now()
    return nameSpace.trash.filter { isExpired($0, at: now) }.map(\.log)
  }

  private func isExpired(_ record: TrashRecord, at time: UnixTime) -> Bool {
    settings.trashAge.end(from: record.deletedAt) <= time
  }

  /// Purges logs from the manifest and from the local disk. The remote learns of it with the next checkpoint.
  /// - Parameter deadline: until when those who only read a log are waited for.
  /// - Returns: those that are purged, and the first failure of the others.
  private func purgeHere(
    _ ids: [LogID], deadline: ContinuousClock.Instant
  ) throws(AofError) -> (logs: [LogID], failure: AofError?) {
    var purged: [LogID] = []
    var failure: AofError?
    // In parts, so that those who create and rename logs meanwhile do not wait for all of them.
    for piece in ids.pieces(of: Self.purgedAtOnce) {
      let part = try purgeAtOnce(piece, deadline)
      purged += part.logs
      failure = failure ?? part.failure
    }
    return (purged, failure)
  }

  /// How many logs are purged in one transaction.
  private static let purgedAtOnce = 256

  private func purgeAtOnce(
    _ ids: ArraySlice<LogID>, _ deadline: ContinuousClock.Instant
  ) throws(AofError) -> (logs: [LogID], failure: AofError?) {
    var claims: [LogID: (log: Aof, failure: AofError?)] = [:]
    var failure: AofError?
    for id in ids {
      do throws(AofError) {
        let log = try log(id)
        claims[id] = (log, try log.beginPurge(waitingUntil: deadline))
      } catch where error.code == .notFound || error.code == .purged {
        // Another thread was faster.
      } catch {
        failure = failure ?? error
      }
    }
    guard !claims.isEmpty else { return ([], failure) }
    // One that is back in its directory, or all of them after a failure, go on as before.
    defer { for (log, failure) in claims.values { log.cancelPurge(failure) } }
    let purged = try services.reserve.tidingOver { () throws(AofError) in try nameSpace.purge(claims.keys.sorted()) }
    for record in purged { claims[record.log] = nil }
    let wals = state.withLock { state in
      for record in purged {
        state.open[record.log] = nil
        state.descriptors[record.log] = nil
      }
      return state.walsInOrder
    }
    for wal in wals { wal.forget(purged.map(\.log)) }
    services.cacheOrder.withLock { $0.forget(Set(purged.map(\.log))) }
    for record in purged {
      whenPurged(record.log)
      services.observation.report(.purge(record.log, record.path))
    }
    try removeFilesOfPurged()
    return (purged.map(\.log), failure)
  }

  /// Removes the chunk files that purged logs left.
  private func removeFilesOfPurged() throws(AofError) {
    var failure: AofError?
    var done: [LogID] = []
    for purged in try services.manifest.purgedLogsWithFiles() {
      guard let directory = purged.dataDirectory else { continue }
      do throws(AofError) {
        try services.localChunks.removeAll(of: purged.log, in: layout.resolve(directory))
        done.append(purged.log)
      } catch {
        failure = failure ?? error
      }
    }
    try services.manifest.recordFilesRemoved(of: done)
    services.reserve.refill()
    if let failure { throw failure }
  }

  // MARK: In the background

  /// A log went to the trash.
  func trashGrew(by record: TrashRecord) {
    services.observation.report(.discard(record.log, record.path))
    if settings.trashAge.seconds == 0 { queuePurge() } else { schedulePurge() }
  }

  /// Purges what has been in the trash for long enough, in the background.
  func queuePurge() {
    services.maintenance.add { [weak self] in self?.purgeExpired() }
  }

  /// Finishes what an earlier process began, and looks at the trash from then on.
  func startPurging() throws(AofError) {
    guard try !services.manifest.purgedLogs().isEmpty || !nameSpace.trash.isEmpty else { return }
    services.maintenance.add { [weak self] in
      guard let self else { return }
      reporting { () throws(AofError) in try self.removeFilesOfPurged() }
      purgeExpired()
    }
  }

  private func purgeExpired() {
    // What is in use is tried again when it is let go of.
    reporting { () throws(AofError) in _ = try self.purgeHere(expiredLogs(), deadline: .now) }
    schedulePurge()
  }

  /// Looks at the trash again once the log that was deleted first has expired. At least once an hour: clocks are set, and
  /// what was in use may be free.
  private func schedulePurge() {
    let now = services.environment.clock.now()
    // What is deleted later expires later.
    guard !state.withLock({ $0.isPurgeScheduled }),
      let next = nameSpace.firstDeletion.map({ settings.trashAge.end(from: $0) }), state.withLock({ $0.schedulePurge() })
    else { return }
    let (wait, overflow) = next.rawValue.subtractingReportingOverflow(now.rawValue)
    let milliseconds = overflow || wait <= 0 ? Self.longestPause : min(Self.longestPause, Int(wait / 1_000_000) + 1)
    services.maintenance.add(after: milliseconds) { [weak self] in
      self?.state.withLock { $0.isPurgeScheduled = false }
      self?.purgeExpired()
    }
  }

  /// An hour, in milliseconds.
  private static let longestPause = 3_600_000

  private func reporting(_ body: () throws(AofError) -> Void) {
    do throws(AofError) {
      try body()
    } catch {
      services.observation.report(error, "logs in the trash could not be purged, and will be later")
    }
  }
}

extension AofManager.State {
  fileprivate mutating func schedulePurge() -> Bool {
    defer { isPurgeScheduled = true }
    return !isPurgeScheduled
  }
}
