import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// Brings sealed extents to the remote: objects first, then one element of the remote manifest chain that names
/// them, then the local manifest.
final class Checkpointer: Sendable {
  /// One log of a checkpoint.
  struct Request {
    let log: Aof
    /// Whether it is sealed up to the tail first.
    var isSealed = true
  }

  /// The extents of one log that now have objects.
  struct Upload: Sendable {
    let log: Aof
    /// The log as the manifest had it when the upload began.
    let state: UnpublishedState
    /// What was appended before is in the upload.
    let began: UnixTime
    let objects: [NewObject]
    /// How far the remote holds the log with these.
    let reach: LSN
    /// Why it does not hold all of it; nil if it does.
    var failure: AofError?

    /// Whether there is anything to tell the remote.
    var isNews: Bool { !objects.isEmpty || !state.droppedObjects.isEmpty || state.isStale }
  }

  struct State {
    var chain: RemoteManifestStore?
    /// The chain's last element that is known.
    var sequence: UInt64
    /// The last snapshot of the chain that is known.
    var snapshot: UInt64
    /// After how many more elements another one is due.
    var snapshotInterval = ChainPolicy.shortestInterval
    /// Whether the chain may say what the manifest does not: then the next element says all.
    var mustTellAll = false
    /// Whether this opening of the store has written to the chain: from then on a higher epoch is another writer's.
    var ownsEpoch = false
    /// Chunks whose bytes on the disk turned out to be damaged when they were to be merged.
    var unmergeable: Set<LocalChunkStore.Key> = []
    /// Logs that could not be uploaded the last time: they come after those that may well be.
    var troubled: Set<LogID> = []
    /// No sweep begins before, since the last one failed.
    var sweepPause: UnixTime?
    var isRunning = false
    /// Set when the store is being closed.
    var isCancelled = false
    var fence: AofError?
  }

  let manifest: Manifest
  let nameSpace: NameSpace
  let remote: any RemoteStore
  let environment: Environment
  let reserve: SpaceReserve
  let observation: Observation
  let storeID: String
  let epoch: UInt64
  let nonce: UInt64
  /// For how long what no manifest names any more is kept.
  let grace: Duration
  /// What the store had when it was opened. Elements of earlier openings told of no more than that.
  let past: SealedPast
  let state: Monitor<State>

  init(
    manifest: Manifest, nameSpace: NameSpace, remote: any RemoteStore, environment: Environment, reserve: SpaceReserve,
    observation: Observation, storeID: String, epoch: UInt64, past: SealedPast, grace: Duration
  ) throws(AofError) {
    self.manifest = manifest
    self.nameSpace = nameSpace
    self.remote = remote
    self.environment = environment
    self.reserve = reserve
    self.observation = observation
    self.storeID = storeID
    self.epoch = epoch
    self.grace = grace
    nonce = environment.random()
    self.past = past
    state = Monitor(State(sequence: try manifest.remoteSequence(), snapshot: try manifest.remoteSnapshot()))
  }

  /// Seals the logs, uploads what the remote lacks of them, and publishes all of it with one element of the chain, or with
  /// several where it is very much.
  /// One checkpoint runs at a time. Waits for the remote; where that takes neither of two logs that follow each other, it is not asked
  /// for the others: each would wait as long as requests are repeated.
  /// - Returns: for each log how far the remote holds it now, or why not.
  func checkpoint(_ requests: [Request]) -> [LogID: Result<LSN, AofError>] {
    do throws(AofError) {
      return try alone { uploadAndPublish(requests) }
    } catch {
      return Dictionary(requests.map { ($0.log.id, .failure(error)) }, uniquingKeysWith: { $1 })
    }
  }

  private func uploadAndPublish(_ requests: [Request]) -> [LogID: Result<LSN, AofError>] {
    let watch = Stopwatch()
    var results: [LogID: Result<LSN, AofError>] = [:]
    var (uploads, unpublished): ([Upload], [Upload]) = ([], [])
    var (objects, refusals) = (0, 0)
    var failure: AofError?
    for (index, request) in inOrder(requests).enumerated() {
      if let failure {
        results[request.log.id] = .failure(failure)
        continue
      }
      var refusal: AofError?
      do throws(AofError) {
        let upload = try upload(request)
        unpublished.append(upload)
        objects += upload.objects.count
        refusal = upload.failure
        if refusal == nil, !upload.objects.isEmpty { refusals = 0 }
      } catch {
        results[request.log.id] = .failure(error)
        refusal = error
      }
      note(refusal, of: request.log.id)
      if refusal?.code == .remoteFailure { refusals += 1 }
      let isAway = refusals == Self.refusalsAtMost
      guard isAway || objects >= environment.snapshotLimit / 16, index < requests.count - 1 else { continue }
      failure = settle(unpublished, &results) ?? (isAway ? refusal : nil)
      uploads += unpublished
      (unpublished, objects) = ([], 0)
    }
    if failure == nil { failure = settle(unpublished, &results) }
    uploads += unpublished
    if failure == nil { tidy() }
    observe(uploads, requests.lazy.compactMap { results[$0.log.id]?.failure }.first { $0.code != .purged }, took: watch.elapsed)
    return results
  }

  /// How many logs, or deletions, in a row the remote may refuse.
  static let refusalsAtMost = 2

  private func note(_ refusal: AofError?, of log: LogID) {
    state.withLock { state in
      if refusal != nil, refusal?.code != .purged { state.troubled.insert(log) } else { state.troubled.remove(log) }
    }
  }

  /// What one log has that no remote takes must not keep the others from being tried.
  private func inOrder(_ requests: [Request]) -> [Request] {
    let troubled = state.withLock(\.troubled)
    return requests.filter { !troubled.contains($0.log.id) } + requests.filter { troubled.contains($0.log.id) }
  }

  /// Publishes uploads with one element, which is bounded. - Returns: why that failed.
  private func settle(_ uploads: [Upload], _ results: inout [LogID: Result<LSN, AofError>]) -> AofError? {
    do throws(AofError) {
      try publish(uploads)
    } catch {
      for upload in uploads { results[upload.log.id] = .failure(error) }
      return error
    }
    for upload in uploads {
      results[upload.log.id] = upload.failure.map { .failure($0) } ?? .success(upload.log.watermarks.remote)
    }
    return nil
  }

  /// Tells the remote of directories that changed and logs that were purged, and deletes the objects of these `purged`
  /// ones. Waits for the remote.
  /// - Throws: `remoteFailure`, `fenced`, local failures: then some of it is left to the next checkpoint.
  func publishNames(purged logs: [LogID]) throws(AofError) {
    try alone { () throws(AofError) in try publish([]) }
    while try alone({ deleteDropped() }) == Self.deletedAtOnce {}
    // In a remote that nobody has claimed nothing is ours.
    for id in logs {
      try alone { () throws(AofError) in
        if try !isUntouched(whenPurging: logs) { try deleteUnnamed(of: id) }
      }
    }
    guard try manifest.droppedObjects(of: logs).isEmpty else {
      throw AofError(
        .remoteFailure, "objects of purged logs are left in \(remote)", remedy: "a checkpoint tries again to delete them")
    }
  }

  /// Why nothing is published any more; nil as long as it is.
  var fence: AofError? { state.withLock { $0.fence } }

  private func observe(_ uploads: [Upload], _ failure: AofError?, took: Duration) {
    let objects = uploads.flatMap(\.objects)
    observation.report(
      .checkpoint(
        EngineEvent.Checkpoint(
          logs: uploads.count, objects: objects.count,
          bytes: ByteCount(rawValue: objects.reduce(0) { $0 + $1.object.size }), took: took, failure: failure)))
    observation.marks.moved()
  }

  /// Runs `body` as the one checkpoint. - Throws: `fenced`; `interrupted` when the store is being closed.
  func alone<Result>(_ body: () throws(AofError) -> Result) throws(AofError) -> Result {
    try begin()
    defer { state.change { $0.isRunning = false } }
    return try body()
  }

  private func begin() throws(AofError) {
    try state.wait { state throws(AofError) -> Void? in
      if let fence = state.fence { throw fence }
      if state.isCancelled { throw Self.closing }
      if state.isRunning { return nil }
      state.isRunning = true
      return ()
    }
  }

  /// Ends the checkpoint that is under way with its next frame, and lets none begin.
  func cancel() { state.change { $0.isCancelled = true } }

  func checkCancellation() throws(AofError) {
    if state.withLock({ $0.isCancelled }) { throw Self.closing }
  }

  static var closing: AofError { AofError(.interrupted, "the store is being closed") }

  /// What the remote lacks of a log. - Throws: `purged` for one that went meanwhile.
  private func unpublished(of log: Aof) throws(AofError) -> UnpublishedState {
    do throws(AofError) {
      return try manifest.unpublished(of: log.id)
    } catch where error.code == .notFound {
      throw AofError(.purged, "log \(log.id) was purged meanwhile", cause: error)
    }
  }

  /// Seals a log and uploads what the remote lacks of it.
  private func upload(_ request: Request) throws(AofError) -> Upload {
    let log = request.log
    let began = environment.clock.now()
    if request.isSealed { try log.sealTail() }
    while true {
      let state = try unpublished(of: log)
      var objects: [NewObject] = []
      do throws(AofError) {
        try upload(log, state, &objects)
        return Upload(log: log, state: state, began: began, objects: objects, reach: state.sealed)
      } catch {
        // What was truncated meanwhile could not be read any more, and need not be.
        let now = try unpublished(of: log)
        let part = now.isSameLife(as: state) ? Upload(log, state, began, objects, brokenOffBy: error) : nil
        let kept = Set(part?.objects.map(\.object.key) ?? [])
        try manifest.recordAbandoned(objects.map(\.object.key).filter { !kept.contains($0) }, of: log.id)
        if let part { return part }
        if now.isSameLife(as: state) { throw error }
      }
    }
  }

  /// Chunk by chunk in the order of the log, so that what is uploaded before something fails can be published: mergers of a
  /// full chunk first, then what is in none of them.
  private func upload(_ log: Aof, _ state: UnpublishedState, _ objects: inout [NewObject]) throws(AofError) {
    // A chunk is merged with the extent that completes it: none before the news is looked at.
    let full = try Set(
      state.extents.first.map { first throws(AofError) in
        try manifest.chunksToMerge(of: log.id, first.chunk..<max(first.chunk, log.chunkID(for: state.sealed)), log.chunkSize)
      } ?? [])
    // First of all it must be the right remote: an empty directory in its place would take objects just as well.
    if !state.extents.isEmpty || !full.isEmpty { _ = try openChain() }
    let extents = Dictionary(grouping: state.extents, by: \.chunk)
    for id in full.union(extents.keys).sorted() {
      let done = objects.count
      if full.contains(id) { try merge(id, of: log, &objects) }
      let merged = Set(objects[done...].flatMap(\.parts).map(\.range.lowerBound))
      for extent in extents[id] ?? [] where !merged.contains(extent.range.lowerBound) {
        let object = try ChunkLease.holding(try log.chunks.chunk(extent.chunk)) { () throws(AofError) in
          try put(extent, of: log)
        }
        objects.append(NewObject(extent: extent, parts: [extent], object: StoredObject(object)))
      }
    }
  }

  /// Uploads one object; the chunk is held.
  private func put(_ extent: AofChunkRecord, of log: Aof) throws(AofError) -> UploadedObject {
    try ExtentUpload(extent, of: log, epoch: epoch).run { () throws(AofError) in
      try checkCancellation()
      try log.checkPurge()
    }
  }

  private func merge(_ id: ChunkID, of log: Aof, _ objects: inout [NewObject]) throws(AofError) {
    let key = LocalChunkStore.Key(log: log.id, chunk: id)
    guard !state.withLock({ $0.unmergeable.contains(key) }) else { return }
    let chunk = try log.chunks.chunk(id)
    do throws(AofError) {
      // Nothing of it is evicted meanwhile.
      try ChunkLease.holding(chunk) { () throws(AofError) in
        for parts in MergePlan.runs(chunk.extents) {
          guard let extent = AofChunkRecord.merged(parts) else { continue }
          objects.append(NewObject(extent: extent, parts: parts, object: StoredObject(try put(extent, of: log))))
        }
      }
    } catch where error.code == .corrupt {
      // Its parts that the remote has are sound there, and those that it lacks are uploaded one by one.
      state.withLock { _ = $0.unmergeable.insert(key) }
      observation.report(error, "chunk \(id) of log \(log.id) cannot be merged into one object")
    }
  }
}

extension Checkpointer.Upload {
  /// What of a log was uploaded before something failed, if that can be published by itself: else it would be uploaded again
  /// each time, under other names. What the remote's manifest is to name no more must wait for what takes its place.
  fileprivate init?(
    _ log: Aof, _ state: UnpublishedState, _ began: UnixTime, _ objects: [NewObject], brokenOffBy failure: AofError
  ) {
    let done = Set(objects.flatMap(\.parts).map(\.range.lowerBound))
    guard state.droppedObjects.isEmpty, failure.code != .interrupted, failure.code != .purged,
      let reach = state.extents.first(where: { !done.contains($0.range.lowerBound) })?.range.lowerBound
    else { return nil }
    // Mergers may lie behind what is missing: those of what the remote has anyhow may be told, and no others.
    let objects = objects.filter { $0.extent.range.upperBound <= reach || $0.parts.allSatisfy { $0.object != nil } }
    guard !objects.isEmpty else { return nil }
    self.init(log: log, state: state, began: began, objects: objects, reach: reach, failure: failure)
  }
}

extension StoredObject {
  fileprivate init(_ object: UploadedObject) {
    self.init(
      key: object.key.text, size: object.size, checksum: object.crc32c,
      frameLengths: object.seekTable.entries.map(\.compressedSize))
  }
}

extension Result {
  fileprivate var failure: Failure? { if case .failure(let failure) = self { failure } else { nil } }
}
