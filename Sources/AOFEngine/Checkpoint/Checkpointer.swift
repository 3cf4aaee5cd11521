import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// Brings sealed extents to the remote: objects first, then one element of the remote manifest chain that names
/// them, then the local manifest.
final class Checkpointer: Sendable {
  /// The extents of one log that now have objects.
  struct Upload: Sendable {
    let log: Aof
    let sealed: LSN
    let objects: [(first: LSN, object: UploadedObject)]
  }

  private struct State {
    var chain: RemoteManifestStore?
    /// The chain's last element that is known.
    var sequence: UInt64
    /// Whether this opening of the store has written to the chain: from then on a higher epoch is another writer's.
    var ownsEpoch = false
    var isRunning = false
    var fence: AofError?
  }

  private let manifest: Manifest
  private let nameSpace: NameSpace
  let remote: any RemoteStore
  private let environment: Environment
  private let storeID: String
  let epoch: UInt64
  private let nonce: UInt64
  private let state: Monitor<State>

  init(
    manifest: Manifest, nameSpace: NameSpace, remote: any RemoteStore, environment: Environment, storeID: String, epoch: UInt64
  ) throws(AofError) {
    self.manifest = manifest
    self.nameSpace = nameSpace
    self.remote = remote
    self.environment = environment
    self.storeID = storeID
    self.epoch = epoch
    nonce = environment.random()
    state = Monitor(State(sequence: try manifest.remoteSequence()))
  }

  /// Seals the logs, uploads what the remote lacks of them, and publishes all of it with one element of the chain.
  /// One checkpoint runs at a time. Waits for the remote.
  /// - Returns: for each log how far the remote holds it now, or why not.
  func checkpoint(_ logs: [Aof]) -> [LogID: Result<LSN, AofError>] {
    do throws(AofError) {
      try begin()
    } catch {
      return Dictionary(logs.map { ($0.id, .failure(error)) }, uniquingKeysWith: { $1 })
    }
    defer { state.change { $0.isRunning = false } }
    var results: [LogID: Result<LSN, AofError>] = [:]
    var uploads: [Upload] = []
    for log in logs {
      do throws(AofError) {
        uploads.append(try upload(log))
      } catch {
        results[log.id] = .failure(error)
      }
    }
    do throws(AofError) {
      try publish(uploads)
      for upload in uploads { results[upload.log.id] = .success(upload.log.watermarks.remote) }
    } catch {
      for upload in uploads { results[upload.log.id] = .failure(error) }
    }
    return results
  }

  private func begin() throws(AofError) {
    try state.wait { state throws(AofError) -> Void? in
      if let fence = state.fence { throw fence }
      if state.isRunning { return nil }
      state.isRunning = true
      return ()
    }
  }

  /// Seals a log and uploads what the remote lacks of it.
  private func upload(_ log: Aof) throws(AofError) -> Upload {
    try log.sealTail()
    let sealed = log.watermarks.sealed
    var objects: [(LSN, UploadedObject)] = []
    let extents = try manifest.unpublishedExtents(of: log.id)
    // First of all it must be the right remote: an empty directory in its place would take objects just as well.
    if !extents.isEmpty { _ = try openChain() }
    for extent in extents where extent.range.upperBound <= sealed {
      let object = try ChunkLease.holding(try log.chunks.chunk(extent.chunk)) { () throws(AofError) in
        try ExtentUpload(extent, of: log, epoch: epoch).run()
      }
      objects.append((extent.range.lowerBound, object))
    }
    return Upload(log: log, sealed: sealed, objects: objects)
  }

  // MARK: Publishing

  /// Publishes uploads with one element of the chain, and records them locally.
  private func publish(_ uploads: [Upload]) throws(AofError) {
    let news = uploads.filter { !$0.objects.isEmpty }
    guard !news.isEmpty else { return }
    let sequence = try extendChain { sequence in
      var record = RemoteManifestRecord(
        storeID: storeID, sequence: sequence, epoch: epoch, writerNonce: nonce, kind: .delta,
        time: environment.clock.now())
      record.logs = news.compactMap { describe($0.log, remote: $0.sealed) }
      record.directories = directories(of: news)
      record.extents = news.flatMap { $0.objects.map { RemoteExtentRecord($0.object) } }
      return record
    }
    try record(news, sequence: sequence)
  }

  private func describe(_ log: Aof, remote: LSN) -> RemoteLogRecord? {
    guard let node = nameSpace.node(log.id), let path = nameSpace.path(of: log.id) else { return nil }
    return RemoteLogRecord(
      id: log.id, path: path, attributes: RemoteNodeAttributes(node.attributes), chunkSize: log.chunkSize,
      generation: log.generation, headLSN: log.watermarks.head, remoteLSN: remote)
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
    return error
  }

  private func record(_ uploads: [Upload], sequence: UInt64) throws(AofError) {
    var objects: [(log: LogID, first: LSN, object: StoredObject)] = []
    var marks: [LogID: LSN] = [:]
    for upload in uploads {
      objects += upload.objects.map { (upload.log.id, $0.first, StoredObject($0.object)) }
      marks[upload.log.id] = upload.sealed
    }
    try manifest.recordPublished(objects, remote: marks, sequence: sequence)
    for upload in uploads {
      for (first, object) in upload.objects {
        upload.log.chunks.setObject(StoredObject(object), ofExtentAt: first)
      }
      upload.log.finishPublishing(through: upload.sealed)
    }
  }
}

extension Aof {
  /// The remote holds everything below `lsn`.
  fileprivate func finishPublishing(through lsn: LSN) {
    state.change { $0.remote = max($0.remote, lsn) }
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
