import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// Telling the remote: one element of the chain, then the local manifest.
/// INVARIANT: who calls anything in here runs the one checkpoint.
extension Checkpointer {
  /// Publishes uploads, what was purged, and the directories that changed, with one element of the chain, and records
  /// them locally.
  func publish(_ uploads: [Upload]) throws(AofError) {
    let removed = try manifest.unpublishedPurges().map(\.log)
    let directories = try manifest.changedDirectories()
    nameSpace.settle()
    var news: [Upload] = []
    for upload in uploads where upload.isNews {
      if nameSpace.place(of: upload.log.id) != nil {
        news.append(upload)
      } else {
        // Purged meanwhile.
        try abandon(upload)
      }
    }
    guard !news.isEmpty || !removed.isEmpty || !directories.isEmpty || state.withLock({ $0.mustTellAll }) else { return }
    if news.isEmpty, directories.allSatisfy({ nameSpace.node($0.id) == nil }), try isUntouched(whenPurging: removed) {
      try manifest.recordPublished(
        [], removed: removed, directories: directories, sequence: 0, at: environment.clock.now())
      return
    }
    let isDue = try isSnapshotDue()
    let said = try extendChain { (record, tellsAll) throws(AofError) in
      tellsAll || isDue ? try snapshot(&record, news) : try delta(&record, news, removed, directories)
    }
    let told = Set(said.uploads.map(\.log.id))
    for upload in news where !told.contains(upload.log.id) { try abandon(upload) }
    do throws(AofError) {
      try record(said, removed, directories)
    } catch {
      // The chain says what the manifest does not.
      state.withLock { $0.mustTellAll = true }
      throw error
    }
  }

  /// Whether the remote has nothing of the store: no element, and no object that an upload of these purged logs left.
  func isUntouched(whenPurging logs: [LogID]) throws(AofError) -> Bool {
    guard state.withLock({ $0.sequence == 0 }) else { return false }
    if logs.isEmpty { return true }
    return try RemoteManifestStore.header(of: remote) == nil
  }

  private func abandon(_ upload: Upload) throws(AofError) {
    try manifest.recordAbandoned(upload.objects.map(\.object.key), of: upload.log.id)
  }

  /// What an element of the chain said.
  private struct Statement {
    var uploads: [Upload] = []
    var publications: [Publication] = []
    var sequence: UInt64 = 0
    var isSnapshot = false
    /// Whether the chain says all that the manifest does, and nothing else.
    var tellsAll = false
  }

  // MARK: Elements

  private func delta(
    _ record: inout RemoteManifestRecord, _ news: [Upload], _ removed: [LogID], _ changed: [ChangedDirectory]
  ) throws(AofError) -> Statement {
    var said = Statement()
    // What begins the chain tells of the root, whatever that is like.
    let directories = Set(changed.map(\.id)).union(record.sequence == 1 ? [.root] : []).sorted()
    record.directories = directories.compactMap(describe)
    record.removedNodes = removed + directories.filter { nameSpace.node($0) == nil }
    for upload in news {
      guard let log = describe(upload.log.id, upload.log.chunkSize, upload.state, remote: upload.reach) else { continue }
      record.logs.append(log)
      for new in upload.objects { record.extents.append(try RemoteExtentRecord(new.object)) }
      for key in upload.state.droppedObjects + upload.objects.flatMap(\.replaced) {
        record.droppedObjects.append(try ObjectKey(parsing: key))
      }
      said.uploads.append(upload)
      said.publications.append(publication(of: upload, upload.state))
    }
    return said
  }

  /// The whole state. Uploads of logs that were truncated since are left out.
  private func snapshot(_ record: inout RemoteManifestRecord, _ news: [Upload]) throws(AofError) -> Statement {
    var said = Statement(tellsAll: true)
    record.kind = .snapshot
    let logs = try manifest.publishedLogs()
    let uploads = Dictionary(news.map { ($0.log.id, $0) }, uniquingKeysWith: { $1 })
    nameSpace.settle()
    record.directories = nameSpace.directories.compactMap(describe)
    for published in logs {
      let upload = uploads[published.log].flatMap { $0.state.isSameLife(as: published.state) ? $0 : nil }
      let remote = upload?.reach ?? published.state.remote
      guard let log = describe(published.log, published.chunkSize, published.state, remote: remote) else { continue }
      record.logs.append(log)
      let replaced = Set(upload?.objects.flatMap(\.replaced) ?? [])
      for object in published.objects where !replaced.contains(object.key) {
        record.extents.append(try RemoteExtentRecord(object))
      }
      for new in upload?.objects ?? [] { record.extents.append(try RemoteExtentRecord(new.object)) }
      if let upload { said.uploads.append(upload) }
      said.publications.append(
        upload.map { publication(of: $0, published.state) }
          ?? Publication(log: published.log, state: published.state, remote: remote))
    }
    return said
  }

  private func publication(of upload: Upload, _ state: UnpublishedState) -> Publication {
    Publication(
      log: upload.log.id, state: state, remote: upload.reach, objects: upload.objects.filter { !$0.isMerger })
  }

  private func describe(
    _ id: LogID, _ chunkSize: ChunkSize, _ state: UnpublishedState, remote: LSN
  ) -> RemoteLogRecord? {
    guard let (node, path, deletedAt) = nameSpace.place(of: id) else { return nil }
    return RemoteLogRecord(
      id: id, path: path, attributes: RemoteNodeAttributes(node.attributes), chunkSize: chunkSize,
      generation: state.generation, headLSN: state.head, remoteLSN: max(state.head, remote), deletedAt: deletedAt)
  }

  private func describe(_ directory: NodeID) -> RemoteDirectoryRecord? {
    guard let node = nameSpace.node(directory), let path = nameSpace.path(of: directory) else { return nil }
    return RemoteDirectoryRecord(id: directory, path: path, attributes: RemoteNodeAttributes(node.attributes))
  }

  /// Whether readers of the chain have read enough elements one by one.
  private func isSnapshotDue() throws(AofError) -> Bool {
    let (elements, interval) = state.withLock { ($0.sequence - min($0.sequence, $0.snapshot), $0.snapshotInterval) }
    guard elements >= interval else { return false }
    // Counted only now and then: the store may be large.
    let needed = ChainPolicy.interval(entries: try manifest.countPublished(), limit: environment.snapshotLimit)
    state.withLock { $0.snapshotInterval = needed ?? max(interval, elements) * 2 }
    return needed.map { elements >= $0 } ?? false
  }

  // MARK: The chain

  /// Appends an element to the chain. `element` fills a record; its last argument says whether that must tell all.
  private func extendChain(
    _ element: (inout RemoteManifestRecord, Bool) throws(AofError) -> Statement
  ) throws(AofError) -> Statement {
    let chain = try openChain()
    while true {
      let (sequence, ownsEpoch, tellsAll) = state.withLock { ($0.sequence + 1, $0.ownsEpoch, $0.mustTellAll) }
      var own = RemoteManifestRecord(
        storeID: storeID, sequence: sequence, epoch: epoch, writerNonce: nonce, kind: .delta,
        time: environment.clock.now())
      var said = try element(&own, tellsAll)
      said.sequence = sequence
      if said.tellsAll, own.entryCount > environment.snapshotLimit {
        own = try chain.state(knownSnapshot: state.withLock { $0.snapshot }).delta(saying: own)
      }
      said.isSnapshot = own.kind == .snapshot
      switch try chain.publish(own) {
      case .published:
        state.withLock { state in
          state.sequence = sequence
          state.ownsEpoch = true
          if said.isSnapshot { state.snapshot = sequence }
          if said.tellsAll { state.mustTellAll = false }
        }
        return said
      case .taken(let other):
        switch own.conflict(with: other, ownsEpoch: ownsEpoch) {
        case .adopt:
          if other.writerNonce != nonce, let fact = try whatThisCopyLacks(of: other) { throw outdated(fact) }
          // Ours, from before a crash. What it says and the manifest does not is said no more by the next element.
          state.withLock { state in
            state.sequence = sequence
            state.mustTellAll = true
          }
        case .introduceHigherEpoch, .fenced:
          throw fence(other.epoch)
        }
      }
    }
  }

  func openChain() throws(AofError) -> RemoteManifestStore {
    if let chain = state.withLock({ $0.chain }) { return chain }
    // A remote that holds none of what was published to it is another one, or not mounted.
    let isNew = state.withLock { $0.sequence == 0 }
    let chain = try RemoteManifestStore(remote, storeID: storeID, create: isNew)
    state.withLock { $0.chain = chain }
    return chain
  }

  /// Stops writing to the remote for as long as the store is open: another writer has taken it over.
  func fence(_ other: UInt64) -> AofError {
    stopWriting(
      AofError(
        .fenced, "\(remote) is written by another opening of this store, with epoch \(other) after our \(epoch)",
        remedy: "unmount this copy of the store; what it has not uploaded stays readable on its disk"))
  }

  /// What an element says, of another opening of the store, that this one cannot have said before a crash: whatever it
  /// published was in its manifest first. Nil if there is no such thing.
  private func whatThisCopyLacks(of other: RemoteManifestRecord) throws(AofError) -> String? {
    for log in other.logs {
      if !past.reaches(log.id, log.generation, log.remoteLSN) {
        return "holds \(log.path) up to LSN \(log.remoteLSN), generation \(log.generation), which this copy of the store never had"
      }
      if let known = past.logs[log.id], known.generation == log.generation, known.head < log.headLSN {
        return "has \(log.path) from LSN \(log.headLSN) on, and this copy of the store from LSN \(known.head)"
      }
    }
    if let log = other.removedNodes.sorted().first(where: { past.logs[$0] != nil }) {
      return "has purged log \(log), which this copy of the store has"
    }
    if other.kind == .snapshot {
      let told = Set(other.logs.map(\.id))
      if let log = past.logs.keys.sorted().first(where: { (past.logs[$0]?.isPublished ?? false) && !told.contains($0) }) {
        return "knows nothing of log \(log) any more, which this copy of the store has"
      }
    }
    for key in other.droppedObjects where try isNamed(key) {
      if try remote.size(of: RemoteKey(key.text)) == nil { return "has lost \(key), which this copy of the store needs" }
    }
    return nil
  }

  /// Whether an extent of the manifest has the object.
  private func isNamed(_ key: ObjectKey) throws(AofError) -> Bool {
    try manifest.extents(of: key.log, in: key.range).contains { $0.object?.key == key.text }
  }

  /// As ``fence(_:)``: what is here is older than what was published, and publishing it would lose the rest. `fact`: what
  /// the remote has or does.
  private func outdated(_ fact: String) -> AofError {
    stopWriting(
      AofError(
        .fenced, "\(remote) \(fact)",
        remedy: "it is an old copy: mount the newer one, or make the store anew with 'aofs recover'; what this copy has stays readable"))
  }

  private func stopWriting(_ error: AofError) -> AofError {
    state.change { $0.fence = error }
    observation.report(.fenced, "\(error)")
    return error
  }

  // MARK: The manifest

  private func record(_ said: Statement, _ removed: [LogID], _ directories: [ChangedDirectory]) throws(AofError) {
    let time = environment.clock.now()
    var isTrue = true
    for upload in said.uploads {
      for merger in upload.objects where merger.isMerger {
        if try !record(merger, of: upload.log, at: time) { isTrue = false }
      }
    }
    // What the chain says of parts that were truncated since is not so: until that is put right, an opening must find
    // that the chain has an element which it does not know.
    if !isTrue { state.withLock { $0.mustTellAll = true } }
    let remote = try reserve.tidingOver { () throws(AofError) in
      try manifest.recordPublished(
        said.publications, removed: removed, directories: directories, sequence: isTrue ? said.sequence : nil,
        isSnapshot: said.isSnapshot, at: time)
    }
    for upload in said.uploads {
      for new in upload.objects where !new.isMerger { upload.log.chunks.setObject(new.object, of: new.extent) }
      for part in upload.objects.flatMap(\.parts) where part.object == nil { upload.log.joinCache(part.range) }
      upload.log.finishPublishing(upload, remote: remote[upload.log.id])
    }
  }

  /// False if a part is not as it was.
  private func record(_ merger: NewObject, of log: Aof, at time: UnixTime) throws(AofError) -> Bool {
    // Nothing is evicted or truncated meanwhile.
    let merged = try log.underMaintenance { () throws(AofError) in
      let merged = try reserve.tidingOver { () throws(AofError) in try manifest.recordMerger(merger, at: time) }
      if let merged { log.chunks.merge(into: merged) }
      return merged
    }
    guard let merged else { return false }
    observation.report(.merger(log.id, merged.range, parts: merger.parts.count))
    return true
  }
}

extension Aof {
  /// The remote holds what was uploaded, unless the log was cut since. `remote`: the mark that was recorded.
  fileprivate func finishPublishing(_ upload: Checkpointer.Upload, remote: LSN?) {
    state.change { state in
      guard state.generation == upload.state.generation, let remote else { return }
      state.remote = max(state.remote, remote)
      state.oldestUnpublished = max(state.oldestUnpublished, upload.began)
    }
  }
}

extension RemoteExtentRecord {
  fileprivate init(_ object: StoredObject) throws(AofError) {
    self.init(
      key: try ObjectKey(parsing: object.key), objectSize: object.size, objectCRC32C: object.checksum,
      frameCount: UInt32(truncatingIfNeeded: object.frameLengths.count))
  }

  fileprivate init(_ object: PublishedObject) throws(AofError) {
    self.init(
      key: try ObjectKey(parsing: object.key), objectSize: object.size, objectCRC32C: object.checksum,
      frameCount: object.frameCount)
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
