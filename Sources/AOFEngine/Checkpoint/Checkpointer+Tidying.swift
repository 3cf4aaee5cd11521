import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// Deleting what no manifest names, in phases: the chain drops an object, or a sweep finds one that it does not name; the
/// manifest notes since when; when the grace has passed the object goes, and then the note.
/// INVARIANT: who calls anything in here runs the one checkpoint, so that no upload of ours is under way.
extension Checkpointer {
  /// A sweep at least once a day: what a crash has left is not many objects, and a look at all of them is not free.
  private static let longestInterval = Duration.seconds(86_400)
  private static let pauseAfterFailure = Duration.seconds(3600)

  /// Whether something waits to be deleted or looked for, though nothing is to be uploaded.
  func isTidyingDue() throws(AofError) -> Bool {
    guard state.withLock({ $0.sequence > 0 }) else { return false }
    if try isSweepDue(environment.clock.now()) { return true }
    return try !manifest.deletableObjects(unnamedSince: deadline, limit: 1).isEmpty
  }

  /// Sweeps and deletes what is due, though nothing is to be uploaded. Waits for the remote.
  func tidyIfDue() throws(AofError) {
    guard try isTidyingDue() else { return }
    try alone { tidy() }
  }

  /// Sweeps if that is due, and deletes what may go. A failure leaves it to the next time, and is reported.
  func tidy() {
    var tidying = EngineEvent.Tidying()
    let now = environment.clock.now()
    do throws(AofError) {
      if try isSweepDue(now) {
        try sweep(&tidying)
        try manifest.recordSweep(at: now)
      }
    } catch {
      state.withLock { $0.sweepPause = now.advanced(by: Self.pauseAfterFailure) }
      if error.code != .interrupted {
        observation.report(error, "\(remote) could not be looked through for objects that no log needs")
      }
    }
    tidying.deleted = deleteDropped()
    if tidying.isNews { observation.report(.tidying(tidying)) }
  }

  // MARK: Deleting

  /// What has been unnamed since before may go.
  private var deadline: UnixTime { environment.clock.now().advanced(by: .zero - grace) }

  /// Deletes what uploads of a purged log that were cut short have left: no manifest names it, and an id is never used
  /// again. What is not ours, or of a later epoch, stays.
  func deleteUnnamed(of log: LogID) throws(AofError) {
    try forEachPage(of: ObjectKey.directory(of: log)) { page throws(AofError) in
      for object in page {
        guard let key = try? ObjectKey(parsing: object.key.text), key.log == log, key.epoch <= epoch else { continue }
        try remote.delete(object.key)
      }
    }
  }

  /// Calls `body` with all that the remote has in a directory, some at a time.
  private func forEachPage(of directory: String, _ body: ([RemoteListing]) throws(AofError) -> Void) throws(AofError) {
    let directory = try RemoteKey(directory)
    var last: RemoteKey?
    while true {
      let page = try remote.list(directory, after: last, limit: Self.pageSize)
      try body(page)
      guard page.count == Self.pageSize else { return }
      last = page.last?.key
    }
  }

  private static let pageSize = 1000

  /// How many objects are deleted before other checkpoints have their turn: there may be as many as a log had.
  static let deletedAtOnce = 1000

  /// Deletes objects that the chain names no more, ``deletedAtOnce`` at most. What is left is for the next checkpoint.
  /// - Returns: how many are gone.
  @discardableResult
  func deleteDropped() -> Int {
    var deleted: [String] = []
    var failed: [String] = []
    var refusals = 0
    do throws(AofError) {
      for key in try manifest.deletableObjects(unnamedSince: deadline, limit: Self.deletedAtOnce) {
        try checkCancellation()
        do throws(AofError) {
          try remote.delete(RemoteKey(key))
          deleted.append(key)
          refusals = 0
        } catch {
          if error.code == .interrupted { throw error }
          failed.append(key)
          refusals += 1
          // One that nobody may delete keeps no others; a remote that is away is not asked for each.
          if refusals == Self.refusalsAtMost { throw error }
          if failed.count == 1 { reportUndeleted(error) }
        }
      }
    } catch {
      if error.code != .interrupted { reportUndeleted(error) }
    }
    do throws(AofError) { try manifest.postponeDeletion(of: failed, until: environment.clock.now()) } catch {
      observation.report(error, "objects that could not be deleted are tried first again")
    }
    do throws(AofError) {
      try manifest.recordDeleted(deleted)
    } catch {
      observation.report(error, "deleted objects could not be forgotten, and will be deleted again")
    }
    return deleted.count
  }

  private func reportUndeleted(_ error: AofError) {
    observation.report(error, "objects that no log needs any more are left in \(remote) for now")
  }

  // MARK: Sweeping

  /// As often as the grace is long, so that nothing is kept for more than twice as long.
  private func isSweepDue(_ now: UnixTime) throws(AofError) -> Bool {
    let (isUsed, pause) = state.withLock { ($0.sequence > 0, $0.sweepPause) }
    guard isUsed, pause.map({ $0 <= now }) ?? true else { return false }
    let last = try manifest.lastSweep()
    // A clock that was set back must not put it off for long.
    return now < last || last.advanced(by: min(grace, Self.longestInterval)) <= now
  }

  /// Notes the objects that no manifest names: what a crash left between an upload and the element that names it, and
  /// uploads that were never finished.
  private func sweep(_ tidying: inout EngineEvent.Tidying) throws(AofError) {
    let named = try chainState()
    try checkCancellation()
    try forEachPage(of: ObjectKey.root) { page throws(AofError) in
      try checkCancellation()
      let candidates = page.compactMap { listing -> (key: String, log: LogID, first: LSN)? in
        // What a later epoch wrote belongs to another writer, who has taken over.
        guard let key = try? ObjectKey(parsing: listing.key.text), key.epoch <= epoch, !named.names(key) else { return nil }
        return (key.text, key.log, key.range.lowerBound)
      }
      let unknown = try manifest.unknownObjects(candidates)
      let orphans = candidates.filter { unknown.contains($0.key) }.map { ($0.key, $0.log) }
      try manifest.recordOrphans(orphans, at: environment.clock.now())
      tidying.orphans += orphans.count
    }
    giveUpUploads(&tidying)
  }

  /// No reader can know of those, so they need no grace. A server may not let us list them; its own rules can do the same.
  private func giveUpUploads(_ tidying: inout EngineEvent.Tidying) {
    do throws(AofError) {
      tidying.uploads = try remote.abandonUploads { [epoch] key in
        (try? ObjectKey(parsing: key.text)).map { $0.epoch <= epoch } ?? false
      }
    } catch {
      observation.report(error, "unfinished uploads may be left in \(remote)")
    }
  }

  /// What the chain says, once it says what the manifest does.
  private func chainState() throws(AofError) -> RemoteManifestState {
    let chain = try openChain()
    while true {
      let (sequence, snapshot) = state.withLock { ($0.sequence, $0.snapshot) }
      let found = try chain.state(knownSnapshot: snapshot)
      if found.highestEpoch > epoch { throw fence(found.highestEpoch) }
      if found.sequence == sequence { return found }
      guard found.sequence > sequence else {
        throw AofError(
          .corrupt, "\(remote): the chain ends at record \(found.sequence), and record \(sequence) was published",
          remedy: "restore what was deleted from the bucket, or make the store anew with 'aofs recover'")
      }
      // A crash came between an element and the manifest.
      state.withLock { $0.mustTellAll = true }
      try publish([])
    }
  }
}
