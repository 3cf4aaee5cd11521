import AOFCore
import GRDB

/// All that a manifest holds, for one that is made anew.
package struct ManifestContent: Sendable {
  package var settings: StoreSettings
  /// The root among them.
  package var nodes: [NodeRecord]
  package var walDirectories: [WalDirectoryRecord]
  package var logs: [(log: AofDescriptorRecord, extents: [AofChunkRecord])]
  package var trash: [TrashRecord]
  package var purged: [PurgedLog]
  package var nextNode: UInt64
  package var epoch: UInt64
  package var remoteSequence: UInt64
  /// Objects of the remote that no extent names, and that stay all the same.
  package var keptObjects: [(key: String, log: LogID)]

  package init(
    settings: StoreSettings, nodes: [NodeRecord], walDirectories: [WalDirectoryRecord],
    logs: [(log: AofDescriptorRecord, extents: [AofChunkRecord])], trash: [TrashRecord], purged: [PurgedLog],
    nextNode: UInt64, epoch: UInt64, remoteSequence: UInt64, keptObjects: [(key: String, log: LogID)] = []
  ) {
    self.settings = settings
    self.nodes = nodes
    self.walDirectories = walDirectories
    self.logs = logs
    self.trash = trash
    self.purged = purged
    self.nextNode = nextNode
    self.epoch = epoch
    self.remoteSequence = remoteSequence
    self.keptObjects = keptObjects
  }
}

extension Manifest {
  /// Creates a manifest with all of its rows. - Throws: `alreadyExists`; `corrupt` without a root; local failures.
  package static func create(_ path: String, _ content: ManifestContent) throws(AofError) {
    guard let root = content.nodes.first(where: { $0.id == .root }) else {
      throw AofError(.corrupt, "a store without a root directory is not possible")
    }
    let manifest = try create(path, settings: content.settings, root: root)
    try manifest.write { database in
      for node in content.nodes where node.id != .root { try insert(node, database) }
      for directory in content.walDirectories {
        try database.execute(
          sql: "INSERT INTO wal_directories VALUES (?, ?, ?)",
          arguments: [directory.id.rawValue, directory.path, Int64(bitPattern: directory.firstSequence)])
      }
      for (log, extents) in content.logs {
        try insert(log, isNews: false, database)
        for extent in extents {
          try insert(extent, database)
          if let object = extent.object { try setObject(object, of: extent, database) }
        }
      }
      for (key, log) in content.keptObjects { try drop(key, of: log, unnamedSince: keptForGood, database) }
      for record in content.trash { try insert(record, database) }
      for purged in content.purged { try insert(purged, database) }
      if content.remoteSequence == 0 { try noteAllNames(database) }
      let counters = [
        nextNode: content.nextNode, epochCounter: content.epoch, sequenceCounter: content.remoteSequence,
        // What a recovery publishes is a snapshot.
        snapshotCounter: content.remoteSequence,
      ]
      for (name, value) in counters {
        try database.execute(
          sql: "UPDATE counters SET value = ? WHERE name = ?", arguments: [Int64(clamping: value), name])
      }
    }
    try manifest.close()
  }

  /// No grace ends so late: an object that is unnamed since then goes with its log only.
  private static let keptForGood = UnixTime(rawValue: .max)

  /// The objects that an earlier recovery has left behind, as far as they can be read.
  package func keptObjects() -> [(key: String, log: LogID)] {
    let kept = try? read { database in
      try Row.fetchAll(
        database, sql: "SELECT key, log FROM dropped_objects WHERE unnamed_since = ?",
        arguments: [Self.keptForGood.rawValue]
      ).map { (key: try $0.checked("key") as String, log: LogID(rawValue: try $0.natural("log"))) }
    }
    return kept ?? []
  }
}
