import AOFCore

/// One element of the manifest chain: the state of a store's logs in the remote, or a change to it.
package struct RemoteManifestRecord: Hashable, Sendable {
  package enum Kind: String, Codable, Hashable, Sendable {
    /// Changes to the state of the record before.
    case delta
    /// The whole state.
    case snapshot
  }

  /// The largest record that is written or read, in bytes; it holds about 300,000 extents.
  package static let maximumSize = 128 << 20

  package var storeID: String
  /// From 1, without gaps.
  package var sequence: UInt64
  /// From 1.
  package var epoch: UInt64
  /// Drawn anew by each process that writes.
  package var writerNonce: UInt64
  package var kind: Kind
  package var time: UnixTime
  package var directories: [RemoteDirectoryRecord] = []
  package var logs: [RemoteLogRecord] = []
  package var extents: [RemoteExtentRecord] = []
  /// What it has of them, which is most of its size.
  package var entryCount: Int { logs.count + extents.count }
  /// Logs and directories that are gone. Empty in a snapshot.
  package var removedNodes: [NodeID] = []
  /// Objects that the state no longer names. Empty in a snapshot.
  package var droppedObjects: [ObjectKey] = []

  package init(
    storeID: String, sequence: UInt64, epoch: UInt64, writerNonce: UInt64, kind: Kind, time: UnixTime
  ) {
    self.storeID = storeID
    self.sequence = sequence
    self.epoch = epoch
    self.writerNonce = writerNonce
    self.kind = kind
    self.time = time
  }
}

extension RemoteManifestRecord {
  /// The part of the key that all records share, without a slash at its end.
  package static let directory = "manifest"

  /// The key of a record below the remote's prefix.
  package static func key(sequence: UInt64) -> String { directory + "/" + FixedWidthNumber.decimal(sequence) }

  /// The sequence of the record with this key, or nil if it is not the key of a record.
  package static func sequence(ofKey key: String) -> UInt64? {
    guard let name = key.split(separator: "/").last, let sequence = UInt64(name), sequence > 0,
      Self.key(sequence: sequence) == key
    else { return nil }
    return sequence
  }

  package func encode() throws(AofError) -> [UInt8] { try RemoteJSON.encode(self, what: description) }

  /// Decodes the record that was found under `sequence`.
  ///
  /// - Throws: `corrupt`, also if the record is of another sequence; `newerVersion`; `notAStore` if it is of
  ///   another store.
  package init(decoding bytes: [UInt8], storeID: String, sequence: UInt64) throws(AofError) {
    let what = "manifest record \(sequence)"
    let record = try RemoteJSON.decode(bytes, as: RemoteManifestRecord.self, what: what)
    guard record.sequence == sequence else {
      throw AofError(.corrupt, "\(what) is damaged: it says that it is record \(record.sequence)")
    }
    guard record.storeID == storeID else {
      throw AofError(
        .notAStore, "\(what) is of store \(record.storeID), not of \(storeID)",
        remedy: "give each store a remote of its own")
    }
    self = record
  }
}

extension RemoteManifestRecord: CustomStringConvertible {
  package var description: String { "manifest record \(sequence) of epoch \(epoch)" }
}

/// Owner, permissions and times of a log or directory, as the remote keeps them.
package struct RemoteNodeAttributes: Hashable, Sendable {
  /// Permission bits, at most 07777.
  package var mode: UInt32
  package var userID: UInt32
  package var groupID: UInt32
  package var accessTime: UnixTime
  package var modificationTime: UnixTime
  package var changeTime: UnixTime

  package init(
    mode: UInt32, userID: UInt32, groupID: UInt32, accessTime: UnixTime, modificationTime: UnixTime,
    changeTime: UnixTime
  ) {
    self.mode = mode
    self.userID = userID
    self.groupID = groupID
    self.accessTime = accessTime
    self.modificationTime = modificationTime
    self.changeTime = changeTime
  }
}

package struct RemoteDirectoryRecord: Hashable, Sendable {
  package var id: NodeID
  package var path: LogPath
  package var attributes: RemoteNodeAttributes

  package init(id: NodeID, path: LogPath, attributes: RemoteNodeAttributes) {
    self.id = id
    self.path = path
    self.attributes = attributes
  }
}

package struct RemoteLogRecord: Hashable, Sendable {
  package var id: LogID
  package var path: LogPath
  package var attributes: RemoteNodeAttributes
  package var chunkSize: ChunkSize
  package var generation: Generation
  package var headLSN: LSN
  /// `[headLSN, remoteLSN)` is in the remote; not below ``headLSN``.
  package var remoteLSN: LSN
  /// When the log went to the trash; nil if it is not there. ``path`` is then what it was called.
  package var deletedAt: UnixTime?

  package init(
    id: LogID, path: LogPath, attributes: RemoteNodeAttributes, chunkSize: ChunkSize, generation: Generation,
    headLSN: LSN, remoteLSN: LSN, deletedAt: UnixTime? = nil
  ) {
    self.id = id
    self.path = path
    self.attributes = attributes
    self.chunkSize = chunkSize
    self.generation = generation
    self.headLSN = headLSN
    self.remoteLSN = remoteLSN
    self.deletedAt = deletedAt
  }
}

package struct RemoteExtentRecord: Hashable, Sendable {
  /// Names the object, and with it log, chunk, LSNs and generation.
  package var key: ObjectKey
  /// Bytes.
  package var objectSize: UInt64
  /// Of the whole object.
  package var objectCRC32C: UInt32
  /// Data frames in the object.
  package var frameCount: UInt32

  package init(key: ObjectKey, objectSize: UInt64, objectCRC32C: UInt32, frameCount: UInt32) {
    self.key = key
    self.objectSize = objectSize
    self.objectCRC32C = objectCRC32C
    self.frameCount = frameCount
  }
}
