import AOFCore

/// What a chain of manifest records comes to: the logs of a store as its remote holds them.
///
/// Pure: records are applied in the order of their sequences, by the rule of docs/format/remote-layout.md, "Manifest
/// records".
package struct RemoteManifestState: Hashable, Sendable {
  /// The last record that was applied; 0 before the first.
  package private(set) var sequence: UInt64 = 0
  /// The highest epoch of any record that was applied; 0 before the first.
  package private(set) var highestEpoch: UInt64 = 0
  package private(set) var directories: [NodeID: RemoteDirectoryRecord] = [:]
  package private(set) var logs: [LogID: RemoteLogRecord] = [:]
  /// By the name of the object, which no two extents share.
  private var objects: [LogID: [ObjectKey: RemoteExtentRecord]] = [:]

  package init() {}

  /// Takes the record in.
  /// - Throws: `corrupt` for a delta that does not follow the record before, and nothing changes.
  package mutating func apply(_ record: RemoteManifestRecord) throws(AofError) {
    guard record.sequence > sequence, record.kind == .snapshot || record.sequence == sequence + 1 else {
      throw AofError(.corrupt, "\(record) does not follow record \(sequence): records between them are missing")
    }
    applyPastGap(record)
  }

  /// As ``apply(_:)``, whatever is missing before the record.
  package mutating func applyPastGap(_ record: RemoteManifestRecord) {
    if record.kind == .snapshot {
      directories = [:]
      logs = [:]
      objects = [:]
    }
    for id in record.removedNodes {
      directories[id] = nil
      logs[id] = nil
      objects[id] = nil
    }
    for key in record.droppedObjects { objects[key.log]?[key] = nil }
    for directory in record.directories { directories[directory.id] = directory }
    for log in record.logs { logs[log.id] = log }
    for extent in record.extents { objects[extent.key.log, default: [:]][extent.key] = extent }
    sequence = record.sequence
    highestEpoch = max(highestEpoch, record.epoch)
  }

  /// The extents of a log, in the order of their LSNs.
  package func extents(of log: LogID) -> [RemoteExtentRecord] {
    (objects[log] ?? [:]).values.sorted {
      ($0.key.range.lowerBound, $0.key.text) < ($1.key.range.lowerBound, $1.key.text)
    }
  }

  /// Whether a log's object is part of the state.
  package func names(_ key: ObjectKey) -> Bool { objects[key.log]?[key] != nil }

  /// The state as one record, from which a chain can be read on.
  package func snapshot(storeID: String, epoch: UInt64, writerNonce: UInt64, time: UnixTime) -> RemoteManifestRecord {
    var record = RemoteManifestRecord(
      storeID: storeID, sequence: sequence + 1, epoch: epoch, writerNonce: writerNonce, kind: .snapshot, time: time)
    record.directories = directories.values.sorted { $0.id < $1.id }
    record.logs = logs.values.sorted { $0.id < $1.id }
    record.extents = logs.keys.sorted().flatMap(extents)
    return record
  }

  /// A delta that follows this state, and comes to what the snapshot says: for one that would be too large.
  package func delta(saying snapshot: RemoteManifestRecord) -> RemoteManifestRecord {
    var delta = snapshot
    delta.kind = .delta
    let nodes = Set(snapshot.directories.map(\.id)).union(snapshot.logs.map(\.id))
    delta.removedNodes = Set(directories.keys).union(logs.keys).union(objects.keys).subtracting(nodes).sorted()
    delta.directories.removeAll { directories[$0.id] == $0 }
    delta.logs.removeAll { logs[$0.id] == $0 }
    delta.extents.removeAll { objects[$0.key.log]?[$0.key] == $0 }
    let keys = Set(snapshot.extents.map(\.key))
    delta.droppedObjects = objects.keys.sorted().filter(nodes.contains).flatMap { log in
      extents(of: log).map(\.key).filter { !keys.contains($0) }
    }
    return delta
  }

  /// One line for each thing that no sound chain comes to: every log's extents must hold all from its head to its
  /// remote LSN, once.
  package var problems: [String] {
    var found = logs.keys.sorted().flatMap(problems(of:))
    for log in objects.keys.sorted() where logs[log] == nil && objects[log]?.isEmpty == false {
      found.append("the remote manifest has extents of log \(log), and no such log")
    }
    return found
  }

  private func problems(of id: LogID) -> [String] {
    guard let log = logs[id] else { return [] }
    var found: [String] = []
    var position: LSN?
    for extent in extents(of: id) {
      let range = extent.key.range
      if log.chunkSize.chunkID(for: range.lowerBound) != extent.key.chunk
        || range.upperBound > log.chunkSize.chunkEnd(extent.key.chunk)
      {
        found.append("log \(id) in the remote manifest: \(extent.key) is not of its chunk")
      }
      if range.lowerBound != position ?? min(range.lowerBound, log.headLSN) {
        found.append(
          "log \(id) in the remote manifest: \(extent.key) begins at LSN \(range.lowerBound), and "
            + "\(position ?? log.headLSN) is expected")
      }
      position = max(position ?? .zero, range.upperBound)
    }
    if position ?? log.headLSN < log.remoteLSN {
      found.append("log \(id) in the remote manifest: no extent holds LSN \(position ?? log.headLSN)..<\(log.remoteLSN)")
    }
    return found
  }
}
