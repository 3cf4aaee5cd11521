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
    let objects: [(extent: AofChunkRecord, object: UploadedObject)]

    /// Whether there is anything to tell the remote.
    var isNews: Bool { !objects.isEmpty || !state.droppedObjects.isEmpty || state.isStale }
  }

  private struct State {
    var chain: RemoteManifestStore?
    /// The chain's last element that is known.
    var sequence: UInt64
    /// Whether this opening of the store has written to the chain: from then on a higher epoch is another writer's.
    var ownsEpoch = false
    var isRunning = false
    /// Set when the store is being closed.
    var isCancelled = false
    var fence: AofError?
  }

  private let manifest: Manifest
  private let nameSpace: NameSpace
  let remote: any RemoteStore
  private let environment: Environment
  private let observation: Observation
  private let storeID: String
  let epoch: UInt64
  private let nonce: UInt64
  private let state: Monitor<State>

  init(
    manifest: Manifest, nameSpace: NameSpace, remote: any RemoteStore, environment: Environment, observation: Observation,
    storeID: String, epoch: UInt64
  ) throws(AofError) {
    self.manifest = manifest
    self.nameSpace = nameSpace
    self.remote = remote
    self.environment = environment
    self.observation = observation
    self.storeID = storeID
    self.epoch = epoch
    nonce = environment.random()
    state = Monitor(State(sequence: try manifest.remoteSequence()))
  }

  /// Seals the logs, uploads what the remote lacks of them, and publishes all of it with one element of the chain.
  /// One checkpoint runs at a time. Waits for the remote.
  /// - Returns: for each log how far the remote holds it now, or why not.
  func checkpoint(_ requests: [Request]) -> [LogID: Result<LSN, AofError>] {
    do throws(AofError) {
      try begin()
    } catch {
      return Dictionary(requests.map { ($0.log.id, .failure(error)) }, uniquingKeysWith: { $1 })
    }
    defer { state.change { $0.isRunning = false } }
    let watch = Stopwatch()
    var results: [LogID: Result<LSN, AofError>] = [:]
    var uploads: [Upload] = []
    for request in requests {
      do throws(AofError) {
        uploads.append(try upload(request))
      } catch {
        results[request.log.id] = .failure(error)
      }
    }
    do throws(AofError) {
      try publish(uploads)
      for upload in uploads { results[upload.log.id] = .success(upload.log.watermarks.remote) }
    } catch {
      for upload in uploads { results[upload.log.id] = .failure(error) }
    }
    deleteDropped()
    observe(uploads, requests.lazy.compactMap { results[$0.log.id]?.failure }.first { $0.code != .purged }, took: watch.elapsed)
    return results
  }

  /// Tells the remote of the logs that are purged, and deletes their objects. Waits for the remote.
  /// - Throws: `remoteFailure`, `fenced`, local failures: then some of it is left to the next checkpoint.
  func publishRemovals(of logs: [LogID]) throws(AofError) {
    try begin()
    defer { state.change { $0.isRunning = false } }
    try publish([])
    deleteDropped()
    for id in logs { try deleteUnnamed(of: id) }
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

  private func checkCancellation() throws(AofError) {
    if state.withLock({ $0.isCancelled }) { throw Self.closing }
  }

  private static var closing: AofError { AofError(.interrupted, "the store is being closed") }

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
      var objects: [(AofChunkRecord, UploadedObject)] = []
      do throws(AofError) {
        // First of all it must be the right remote: an empty directory in its place would take objects just as well.
        if !state.extents.isEmpty { _ = try openChain() }
        for extent in state.extents {
          let object = try ChunkLease.holding(try log.chunks.chunk(extent.chunk)) { () throws(AofError) in
            try ExtentUpload(extent, of: log, epoch: epoch).run { () throws(AofError) in
              try checkCancellation()
              try log.checkPurge()
            }
          }
          objects.append((extent, object))
        }
        return Upload(log: log, state: state, began: began, objects: objects)
      } catch {
        // What was truncated meanwhile could not be read any more, and need not be.
        let now = try unpublished(of: log)
        guard now.generation != state.generation || now.head != state.head else { throw error }
        try manifest.recordAbandoned(objects.map(\.1.key.text), of: log.id)
      }
    }
  }

  // MARK: Publishing

  /// Publishes uploads, and what was purged, with one element of the chain, and records them locally.
  private func publish(_ uploads: [Upload]) throws(AofError) {
    let removed = try manifest.unpublishedPurges().map(\.log)
    var news: [Upload] = []
    var logs: [RemoteLogRecord] = []
    for upload in uploads where upload.isNews {
      if let log = describe(upload.log, upload.state) {
        news.append(upload)
        logs.append(log)
      } else {
        // Purged meanwhile.
        try manifest.recordAbandoned(upload.objects.map(\.object.key.text), of: upload.log.id)
      }
    }
    guard !news.isEmpty || !removed.isEmpty else { return }
    if news.isEmpty, state.withLock({ $0.sequence == 0 }) {
      // The remote was never told of any log.
      return try manifest.recordPublished([], removed: removed, sequence: 0)
    }
    var dropped: [ObjectKey] = []
    for key in news.flatMap(\.state.droppedObjects) { dropped.append(try ObjectKey(parsing: key)) }
    let sequence = try extendChain { sequence in
      var record = RemoteManifestRecord(
        storeID: storeID, sequence: sequence, epoch: epoch, writerNonce: nonce, kind: .delta,
        time: environment.clock.now())
      record.logs = logs
      record.directories = directories(of: news)
      record.extents = news.flatMap { $0.objects.map { RemoteExtentRecord($0.object) } }
      record.removedNodes = removed
      record.droppedObjects = dropped
      return record
    }
    try record(news, removed, sequence: sequence)
  }

  private func describe(_ log: Aof, _ state: UnpublishedState) -> RemoteLogRecord? {
    guard let (node, path, deletedAt) = nameSpace.place(of: log.id) else { return nil }
    return RemoteLogRecord(
      id: log.id, path: path, attributes: RemoteNodeAttributes(node.attributes), chunkSize: log.chunkSize,
      generation: state.generation, headLSN: state.head, remoteLSN: state.sealed, deletedAt: deletedAt)
  }

  /// The directories above the logs.
  private func directories(of uploads: [Upload]) -> [RemoteDirectoryRecord] {
    var found: [NodeID: RemoteDirectoryRecord] = [:]
    for upload in uploads {
      var id = nameSpace.node(upload.log.id)?.parent
      while let current = id, current != .root, found[current] == nil, let node = nameSpace.node(current) {
        if let path = nameSpace.path(of: current) {
          found[current] = RemoteDirectoryRecord(
            id: current, path: path, attributes: RemoteNodeAttributes(node.attributes))
        }
        id = node.parent
      }
    }
    return found.values.sorted { $0.id < $1.id }
  }

  /// Appends an element to the chain; returns its number. INVARIANT: the caller runs the one checkpoint.
  private func extendChain(_ element: (UInt64) -> RemoteManifestRecord) throws(AofError) -> UInt64 {
    let chain = try openChain()
    while true {
      let (sequence, ownsEpoch) = state.withLock { ($0.sequence + 1, $0.ownsEpoch) }
      let own = element(sequence)
      switch try chain.publish(own) {
      case .published:
        state.withLock { state in
          state.sequence = sequence
          state.ownsEpoch = true
        }
        return sequence
      case .taken(let other):
        switch own.conflict(with: other, ownsEpoch: ownsEpoch) {
        case .adopt:
          // Ours, from before a crash: its objects stay in the chain, ours follow in the next element.
          state.withLock { $0.sequence = sequence }
        case .introduceHigherEpoch, .fenced:
          throw fence(other)
        }
      }
    }
  }

  private func openChain() throws(AofError) -> RemoteManifestStore {
    if let chain = state.withLock({ $0.chain }) { return chain }
    // A remote that holds none of what was published to it is another one, or not mounted.
    let isNew = state.withLock { $0.sequence == 0 }
    let chain = try RemoteManifestStore(remote, storeID: storeID, create: isNew)
    state.withLock { $0.chain = chain }
    return chain
  }

  /// Stops writing to the remote for as long as the store is open: another writer has taken it over.
  private func fence(_ other: RemoteManifestRecord) -> AofError {
    let error = AofError(
      .fenced, "\(remote) is written by another opening of this store, with epoch \(other.epoch) after our \(epoch)",
      remedy: "unmount this copy of the store; what it has not uploaded stays readable on its disk")
    state.change { $0.fence = error }
    observation.report(.fenced, "\(error)")
    return error
  }

  private func record(_ uploads: [Upload], _ removed: [LogID], sequence: UInt64) throws(AofError) {
    let publications = uploads.map { upload in
      Publication(
        log: upload.log.id, state: upload.state, objects: upload.objects.map { ($0.extent, StoredObject($0.object)) })
    }
    try manifest.recordPublished(publications, removed: removed, sequence: sequence)
    for (upload, publication) in zip(uploads, publications) {
      for (extent, object) in publication.objects { upload.log.chunks.setObject(object, of: extent) }
      upload.log.finishPublishing(upload)
    }
  }

  // MARK: Deleting

  /// Deletes what uploads of a purged log that were cut short have left: no manifest names it, and an id is never used
  /// again.
  private func deleteUnnamed(of log: LogID) throws(AofError) {
    let directory = try RemoteKey(ObjectKey.directory(of: log))
    let pageSize = 1000
    while true {
      let page = try remote.list(directory, after: nil, limit: pageSize)
      for object in page { try remote.delete(object.key) }
      if page.count < pageSize { return }
    }
  }

  /// Deletes objects that the chain names no more. What cannot be deleted now is left to the next checkpoint.
  private func deleteDropped() {
    var deleted: [String] = []
    do throws(AofError) {
      for key in try manifest.deletableObjects() {
        try remote.delete(RemoteKey(key))
        deleted.append(key)
      }
    } catch {
      observation.report(error, "objects that no log needs any more are left in \(remote) for now")
    }
    do throws(AofError) {
      try manifest.recordDeleted(deleted)
    } catch {
      observation.report(error, "deleted objects could not be forgotten, and will be deleted again")
    }
  }
}

extension Aof {
  /// The remote holds what was sealed in `published`, unless the log was cut since.
  fileprivate func finishPublishing(_ upload: Checkpointer.Upload) {
    state.change { state in
      guard state.generation == upload.state.generation else { return }
      state.remote = max(state.remote, upload.state.sealed)
      state.oldestUnpublished = max(state.oldestUnpublished, upload.began)
    }
  }
}

extension StoredObject {
  fileprivate init(_ object: UploadedObject) {
    self.init(
      key: object.key.text, size: object.size, checksum: object.crc32c,
      frameLengths: object.seekTable.entries.map(\.compressedSize))
  }
}

extension RemoteExtentRecord {
  fileprivate init(_ object: UploadedObject) {
    self.init(
      key: object.key, objectSize: object.size, objectCRC32C: object.crc32c,
      frameCount: UInt32(truncatingIfNeeded: object.info.frames.count))
  }
}

extension RemoteNodeAttributes {
  init(_ attributes: NodeAttributes) {
    self.init(
      mode: attributes.mode, userID: attributes.userID, groupID: attributes.groupID,
      accessTime: attributes.accessTime, modificationTime: attributes.modificationTime,
      changeTime: attributes.changeTime)
  }
}

extension Result {
  fileprivate var failure: Failure? { if case .failure(let failure) = self { failure } else { nil } }
}
