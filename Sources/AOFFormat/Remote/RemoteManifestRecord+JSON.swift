import AOFCore

// The keys are those of docs/format/remote-layout.md. What is thrown in here is wrapped by RemoteJSON, which
// names the record.

extension RemoteManifestRecord: Codable {
  private enum Keys: String, CodingKey {
    case version, sequence, epoch, kind, time, directories, logs, extents
    case storeID = "store_id"
    case writerNonce = "writer_nonce"
    case removedNodes = "removed_nodes"
    case droppedObjects = "dropped_objects"
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Keys.self)
    try container.encode(RemoteFormat.layoutVersion, forKey: .version)
    try container.encode(storeID, forKey: .storeID)
    try container.encode(sequence, forKey: .sequence)
    try container.encode(epoch, forKey: .epoch)
    try container.encode(FixedWidthNumber.hex(writerNonce), forKey: .writerNonce)
    try container.encode(kind, forKey: .kind)
    try container.encode(time, forKey: .time)
    try container.encode(directories, forKey: .directories)
    try container.encode(logs, forKey: .logs)
    try container.encode(extents, forKey: .extents)
    try container.encode(removedNodes, forKey: .removedNodes)
    try container.encode(droppedObjects.map(\.text), forKey: .droppedObjects)
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Keys.self)
    let nonce = try container.decode(String.self, forKey: .writerNonce)
    guard let writerNonce = UInt64(nonce, radix: 16), FixedWidthNumber.hex(writerNonce) == nonce else {
      throw AofError(.corrupt, "'\(nonce)' is not a nonce")
    }
    self.init(
      storeID: try container.decode(String.self, forKey: .storeID),
      sequence: try container.decode(UInt64.self, forKey: .sequence),
      epoch: try container.decode(UInt64.self, forKey: .epoch),
      writerNonce: writerNonce,
      kind: try container.decode(Kind.self, forKey: .kind),
      time: try container.decode(UnixTime.self, forKey: .time))
    directories = try container.decode([RemoteDirectoryRecord].self, forKey: .directories)
    logs = try container.decode([RemoteLogRecord].self, forKey: .logs)
    extents = try container.decode([RemoteExtentRecord].self, forKey: .extents)
    removedNodes = try container.decode([NodeID].self, forKey: .removedNodes)
    for key in try container.decode([String].self, forKey: .droppedObjects) {
      droppedObjects.append(try ObjectKey(parsing: key))
    }
    guard sequence > 0, epoch > 0, RemoteStoreHeader.isPossible(storeID: storeID) else {
      throw AofError(.corrupt, "sequence, epoch or store id is out of range")
    }
    guard kind == .delta || (removedNodes.isEmpty && droppedObjects.isEmpty) else {
      throw AofError(.corrupt, "a snapshot takes nothing away")
    }
  }
}

/// The keys that logs and directories share.
private enum NodeKeys: String, CodingKey {
  case id, path, mode, uid, gid
  case accessTime = "access_time"
  case modificationTime = "modification_time"
  case changeTime = "change_time"
}

extension RemoteNodeAttributes {
  fileprivate func encode(id: NodeID, path: LogPath, to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NodeKeys.self)
    try container.encode(id, forKey: .id)
    try container.encode(PercentEscaping.escape(path.bytes), forKey: .path)
    try container.encode(mode, forKey: .mode)
    try container.encode(userID, forKey: .uid)
    try container.encode(groupID, forKey: .gid)
    try container.encode(accessTime, forKey: .accessTime)
    try container.encode(modificationTime, forKey: .modificationTime)
    try container.encode(changeTime, forKey: .changeTime)
  }

  fileprivate static func decode(from decoder: any Decoder) throws -> (NodeID, LogPath, RemoteNodeAttributes)
  {
    let container = try decoder.container(keyedBy: NodeKeys.self)
    let escaped = try container.decode(String.self, forKey: .path)
    guard let bytes = PercentEscaping.unescape(escaped) else {
      throw AofError(.corrupt, "'\(escaped)' is not an escaped path")
    }
    let path = try LogPath(stored: bytes)
    guard path.bytes == bytes else { throw AofError(.corrupt, "'\(escaped)' is not a path") }
    let attributes = RemoteNodeAttributes(
      mode: try container.decode(UInt32.self, forKey: .mode),
      userID: try container.decode(UInt32.self, forKey: .uid),
      groupID: try container.decode(UInt32.self, forKey: .gid),
      accessTime: try container.decode(UnixTime.self, forKey: .accessTime),
      modificationTime: try container.decode(UnixTime.self, forKey: .modificationTime),
      changeTime: try container.decode(UnixTime.self, forKey: .changeTime))
    guard attributes.mode <= 0o7777 else {
      throw AofError(.corrupt, "mode \(attributes.mode) is out of range")
    }
    return (try container.decode(NodeID.self, forKey: .id), path, attributes)
  }
}

extension RemoteDirectoryRecord: Codable {
  package func encode(to encoder: any Encoder) throws {
    try attributes.encode(id: id, path: path, to: encoder)
  }

  package init(from decoder: any Decoder) throws {
    (id, path, attributes) = try RemoteNodeAttributes.decode(from: decoder)
  }
}

extension RemoteLogRecord: Codable {
  private enum Keys: String, CodingKey {
    case generation
    case chunkSize = "chunk_size"
    case headLSN = "head_lsn"
    case remoteLSN = "remote_lsn"
    case deletedAt = "deleted_at"
  }

  package func encode(to encoder: any Encoder) throws {
    try attributes.encode(id: id, path: path, to: encoder)
    var container = encoder.container(keyedBy: Keys.self)
    try container.encode(chunkSize.byteCount, forKey: .chunkSize)
    try container.encode(generation, forKey: .generation)
    try container.encode(headLSN, forKey: .headLSN)
    try container.encode(remoteLSN, forKey: .remoteLSN)
    try container.encodeIfPresent(deletedAt, forKey: .deletedAt)
  }

  package init(from decoder: any Decoder) throws {
    (id, path, attributes) = try RemoteNodeAttributes.decode(from: decoder)
    let container = try decoder.container(keyedBy: Keys.self)
    chunkSize = try ChunkSize(container.decode(ByteCount.self, forKey: .chunkSize))
    generation = try container.decode(Generation.self, forKey: .generation)
    headLSN = try container.decode(LSN.self, forKey: .headLSN)
    remoteLSN = try container.decode(LSN.self, forKey: .remoteLSN)
    deletedAt = try container.decodeIfPresent(UnixTime.self, forKey: .deletedAt)
    guard headLSN <= remoteLSN, remoteLSN <= .max, !path.names.isEmpty else {
      throw AofError(.corrupt, "log \(id) is out of range")
    }
  }
}

extension RemoteExtentRecord: Codable {
  private enum Keys: String, CodingKey {
    case generation
    case logID = "log_id"
    case chunkID = "chunk_id"
    case firstLSN = "first_lsn"
    case endLSN = "end_lsn"
    case objectKey = "object_key"
    case objectSize = "object_size"
    case objectCRC32C = "object_crc32c"
    case frameCount = "frame_count"
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Keys.self)
    try container.encode(key.log, forKey: .logID)
    try container.encode(key.chunk, forKey: .chunkID)
    try container.encode(key.range.lowerBound, forKey: .firstLSN)
    try container.encode(key.range.upperBound, forKey: .endLSN)
    try container.encode(key.generation, forKey: .generation)
    try container.encode(key.text, forKey: .objectKey)
    try container.encode(objectSize, forKey: .objectSize)
    try container.encode(objectCRC32C, forKey: .objectCRC32C)
    try container.encode(frameCount, forKey: .frameCount)
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Keys.self)
    key = try ObjectKey(parsing: container.decode(String.self, forKey: .objectKey))
    objectSize = try container.decode(UInt64.self, forKey: .objectSize)
    objectCRC32C = try container.decode(UInt32.self, forKey: .objectCRC32C)
    frameCount = try container.decode(UInt32.self, forKey: .frameCount)
    guard try container.decode(LogID.self, forKey: .logID) == key.log,
      try container.decode(ChunkID.self, forKey: .chunkID) == key.chunk,
      try container.decode(LSN.self, forKey: .firstLSN) == key.range.lowerBound,
      try container.decode(LSN.self, forKey: .endLSN) == key.range.upperBound,
      try container.decode(Generation.self, forKey: .generation) == key.generation
    else { throw AofError(.corrupt, "an extent disagrees with the name of its object, \(key)") }
    guard frameCount > 0, UInt64(RemoteFormat.trailerSize(frameCount: frameCount)) < objectSize else {
      throw AofError(.corrupt, "\(key) has \(frameCount) frames in \(objectSize) bytes")
    }
  }
}
