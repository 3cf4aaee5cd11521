import AOFCore
import AOFEngine
import AOFManifest
import AOFSystem

extension FileSystem {
  package func getattr(_ node: NodeID, for task: TaskID = .unknown) throws(AofError) -> AttributeAnswer {
    node.isControl ? .now(controlEntry(try controlNode(node), id: node)) : try answer(try record(node), for: task)
  }

  /// Changes permissions, owner and times. A log's size can only be "changed" to what it is. The kernel sends
  /// this under the lock that it appends under, so it has stored the size of every append that was answered.
  package func setattr(_ node: NodeID, _ change: AttributeChange) throws(AofError) -> Entry {
    if node.isControl { return try changeControl(node, change) }
    var record = try record(node)
    if let size = change.size { try checkSize(size, of: record) }
    var attributes = record.attributes
    // The time of the last append is not stored; whatever else is stored from now on must keep it.
    attributes.modificationTime = modificationTime(record)
    if let permissions = change.permissions {
      attributes.mode = try Self.allowedPermissions(permissions, for: record.kind)
    }
    if let userID = change.userID { attributes.userID = userID }
    if let groupID = change.groupID { attributes.groupID = groupID }
    let now = options.clock.now()
    if let time = change.accessTime { attributes.accessTime = time.value(now: now) }
    if let time = change.modificationTime, !change.tellsOfWrite { attributes.modificationTime = time.value(now: now) }
    if attributes != record.attributes {
      attributes.changeTime = now
      try manager.setAttributes(attributes, of: node)
      record.attributes = attributes
    }
    return try entry(record)
  }

  /// Setuid and setgid mean nothing on a log; on a directory setgid is dropped, as Linux drops it for those who
  /// may not set it, so that copies of log directories succeed.
  static func allowedPermissions(_ permissions: UInt32, for kind: NodeKind) throws(AofError) -> UInt32 {
    guard kind == .directory || permissions & 0o6000 == 0 else {
      throw AofError(.notPermitted, "a log cannot be setuid or setgid")
    }
    return permissions & 0o1777
  }

  private func checkSize(_ size: UInt64, of record: NodeRecord) throws(AofError) {
    guard record.kind == .log else { throw AofError(.isADirectory, "node \(record.id) is a directory") }
    guard size == (try manager.log(record.id)).watermarks.tail.rawValue else {
      throw AofError(
        .notPermitted, "a log cannot be truncated or extended by its size",
        remedy: "append to it")
    }
  }

  /// When the contents changed last: the last append, unless times were set after it.
  private func modificationTime(_ record: NodeRecord) -> UnixTime {
    guard record.kind == .log, let aof = try? manager.log(record.id) else {
      return record.attributes.modificationTime
    }
    return Self.modificationTime(record.attributes, lastAppend: aof.modificationTime)
  }

  static func modificationTime(_ stored: NodeAttributes, lastAppend: UnixTime) -> UnixTime {
    lastAppend > stored.changeTime ? lastAppend : stored.modificationTime
  }

  /// The entry of a node as it may be told to `task`.
  func answer(
    _ record: NodeRecord, for task: TaskID, generation: UInt32 = 0
  ) throws(AofError) -> AttributeAnswer {
    let (known, notices) = try entryAndNotices(record, for: task)
    var entry = known
    entry.generation = generation
    guard let notices else { return .now(entry) }
    return .later(
      Deferred(isInterruptible: false) { [cache = options.kernelCache, entry] whenDone in
        cache.tell(record.id, notices) { whenDone(.success(entry)) }
      })
  }

  /// The entry of a node while no append to it can be under way in the kernel.
  func entry(_ record: NodeRecord) throws(AofError) -> Entry { try entryAndNotices(record, for: .unknown).entry }

  /// The entry of a node, and what the kernel must have been told before it gets it: nil if nothing.
  func entryAndNotices(
    _ record: NodeRecord, for task: TaskID
  ) throws(AofError) -> (entry: Entry, notices: [TailNotice]?) {
    var notices: [TailNotice]?
    let stored = record.attributes
    var attributes = FileAttributes(
      node: record.id, kind: record.kind == .directory ? .directory : .regular, permissions: stored.mode, links: 1,
      userID: stored.userID, groupID: stored.groupID, accessTime: stored.accessTime,
      modificationTime: stored.modificationTime, changeTime: stored.changeTime)
    switch record.kind {
    case .directory:
      attributes.links = UInt32(clamping: manager.countDirectories(in: record.id) + 2)
    case .log:
      if record.isInTrash { attributes.links = 0 }
      let aof = try manager.log(record.id)
      let lastAppend = aof.modificationTime
      let coherence = coherence(of: aof.id)
      let size = coherence.size(tail: { aof.watermarks.tail }, for: task)
      attributes.size = size.value
      switch size {
      case .known: break
      case .news(let news): notices = [.push(news), .call { coherence.didStore(news) }]
      case .pushed: notices = []
      }
      attributes.blocks = aof.localBytes.rawValue / 512 + (aof.localBytes.rawValue % 512 == 0 ? 0 : 1)
      attributes.modificationTime = Self.modificationTime(stored, lastAppend: lastAppend)
      attributes.changeTime = max(stored.changeTime, lastAppend)
    }
    // In writeback mode the inode behind the name may have to be given up.
    let mayBeGivenUp = record.kind == .log && options.gathersWrites
    let entry = Entry(
      attributes: attributes, nameValidity: mayBeGivenUp ? Entry.attributeValidity : Entry.nameValidity,
      attributeValidity: Entry.attributeValidity)
    return (entry, notices)
  }

  package func statfs() throws(AofError) -> DiskStatus {
    let disk = try PathFacts.fileSystem(of: manager.path)
    return DiskStatus(
      blockSize: UInt64(disk.f_frsize), blocks: UInt64(disk.f_blocks), freeBlocks: UInt64(disk.f_bfree),
      availableBlocks: UInt64(disk.f_bavail), files: UInt64(disk.f_files), freeFiles: UInt64(disk.f_ffree),
      nameLength: UInt64(Limits.nameLength))
  }
}

extension AttributeChange.Time {
  func value(now: UnixTime) -> UnixTime {
    switch self {
    case .now: now
    case .at(let time): time
    }
  }
}
