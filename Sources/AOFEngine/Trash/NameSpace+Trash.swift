import AOFCore
import AOFManifest

/// Logs without a name: out of sight, with all that they hold, until they are restored or purged.
extension NameSpace {
  /// In the order in which they were deleted.
  var trash: [TrashRecord] {
    state.withLock { Array($0.trash.values) }.sorted { ($0.deletedAt, $0.log) < ($1.deletedAt, $1.log) }
  }

  /// When the log was deleted that is in the trash for longest; nil if it is empty.
  var firstDeletion: UnixTime? { state.withLock { $0.trash.values.lazy.map(\.deletedAt).min() } }

  func trashRecord(of log: LogID) -> TrashRecord? { state.withLock { $0.trash[log] } }

  /// A log, the path that it has or had, and when it was deleted if it has none; nil if it is gone.
  func place(of log: LogID) -> (node: NodeRecord, path: LogPath, deletedAt: UnixTime?)? {
    while true {
      guard let node = node(log) else { return nil }
      if node.isInTrash {
        if let record = trashRecord(of: log) { return (node, record.path, record.deletedAt) }
      } else if let path = path(of: log) {
        return (node, path, nil)
      }
      // It moved between the looks at it.
    }
  }

  /// Takes a log out of its directory, into the trash.
  func discard(_ name: EntryName, in directory: NodeID, time: UnixTime) throws(AofError) -> TrashRecord {
    try changing { () throws(AofError) in
      guard let node = lookUp(name, in: directory) else { throw Self.notFound(name) }
      guard node.kind == .log else {
        throw AofError(.isADirectory, "'\(name)' is a directory", remedy: "remove it as one, once it is empty")
      }
      let record = try trashRecord(node, time)
      try manifest.moveToTrash(record)
      state.withLock { state in
        state.remove(node)
        state.discard(node, record)
      }
      return record
    }
  }

  func trashRecord(_ node: NodeRecord, _ time: UnixTime) throws(AofError) -> TrashRecord {
    guard let path = path(of: node.id) else { throw AofError(.notFound, "there is no node \(node.id)") }
    return TrashRecord(log: node.id, path: path, deletedAt: time)
  }

  /// Gives a log in the trash a name again. - Throws: `notFound`; `alreadyExists`.
  func restore(_ log: LogID, as name: EntryName, in directory: NodeID) throws(AofError) {
    try changing { () throws(AofError) in
      guard let node = node(log), node.isInTrash else { throw AofError(.notFound, "log \(log) is not in the trash") }
      try checkVacant(name, in: directory)
      try manifest.restore(log, as: name, in: directory)
      state.withLock { state in
        state.trash[log] = nil
        state.insert(node, as: name, in: directory)
      }
    }
  }

  /// Forgets those of the logs that are in the trash, for good.
  /// - Returns: those.
  func purge(_ logs: [LogID]) throws(AofError) -> [TrashRecord] {
    try changing { () throws(AofError) in
      let records = logs.compactMap { trashRecord(of: $0) }
      try manifest.purge(records.map(\.log))
      state.withLock { state in
        for record in records {
          state.trash[record.log] = nil
          state.nodes[record.log] = nil
        }
      }
      return records
    }
  }
}

extension NameSpace.State {
  mutating func discard(_ node: NodeRecord, _ record: TrashRecord) {
    trash[node.id] = record
    nodes[node.id] = NodeRecord(
      id: node.id, kind: node.kind, parent: .trash, name: nil, attributes: node.attributes)
  }
}

extension AofError {
  /// Of a mount or a call that moves no log to the trash.
  package static func logsStay(_ name: EntryName) -> AofError {
    AofError(.notPermitted, "'\(name)' is a log, and logs are not deleted here")
  }
}
