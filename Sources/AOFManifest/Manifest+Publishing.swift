import AOFCore
import Foundation
import GRDB

/// What the remote lacks of a log, at one moment.
package struct UnpublishedState: Sendable {
  package let generation: Generation
  package let head: LSN
  package let sealed: LSN
  /// Extents that no published object holds, in the order of their LSNs.
  package let extents: [AofChunkRecord]
  /// Objects that the remote's manifest names, and the log needs no more.
  package let droppedObjects: [String]
  /// Counts what the remote's manifest was not told of yet: changes of name, head and generation.
  let staleness: Int64

  /// Whether the remote's manifest has an older name, head or generation.
  package var isStale: Bool { staleness > 0 }
}

/// What one element of the remote's manifest chain said of a log.
package struct Publication: Sendable {
  package let log: LogID
  /// Generation, head and dropped objects as they were when the element was made.
  package let state: UnpublishedState
  /// The objects that it named, each with the extent that it holds.
  package let objects: [(extent: AofChunkRecord, object: StoredObject)]

  package init(log: LogID, state: UnpublishedState, objects: [(extent: AofChunkRecord, object: StoredObject)]) {
    self.log = log
    self.state = state
    self.objects = objects
  }
}

extension Manifest {
  /// Logs of which the remote must learn something that is not bytes.
  package func staleLogs() throws(AofError) -> Set<LogID> {
    try read { database in
      Set(try Int64.fetchAll(database, sql: "SELECT id FROM logs WHERE remote_stale <> 0").map { LogID(rawValue: UInt64(clamping: $0)) })
    }
  }

  /// What the remote lacks of a log. - Throws: `corrupt`; `notFound`.
  package func unpublished(of log: LogID) throws(AofError) -> UnpublishedState {
    try read { database in
      let id = Int64(log.rawValue)
      guard let row = try Row.fetchOne(database, sql: "SELECT * FROM logs WHERE id = ?", arguments: [id]) else {
        throw AofError(.notFound, "the manifest has no log \(log)")
      }
      let record = try Self.log(row)
      return UnpublishedState(
        generation: record.generation, head: record.head, sealed: record.sealed,
        extents: try Row.fetchAll(
          database, sql: "SELECT * FROM extents WHERE log = ? AND object_key IS NULL ORDER BY first_lsn",
          arguments: [id]
        ).map(Self.extent),
        droppedObjects: try Row.fetchAll(
          database, sql: "SELECT key FROM dropped_objects WHERE log = ? AND is_published = 0 ORDER BY key",
          arguments: [id]
        ).map { try $0.checked("key") },
        staleness: try row.checked("remote_stale"))
    }
  }

  /// Records what the element `sequence` of the chain said: objects, how far the remote holds the logs, which objects
  /// it names no more, and which purged logs it `removed`. Where a log was truncated or purged since, its new state
  /// stands: objects of extents that are gone are dropped in their turn.
  package func recordPublished(
    _ publications: [Publication], removed: [LogID] = [], sequence: UInt64
  ) throws(AofError) {
    try write { database in
      for publication in publications {
        for (extent, object) in publication.objects { try Self.record(object, of: extent, database) }
        let state = publication.state
        let log = Int64(publication.log.rawValue)
        try database.execute(
          sql: "UPDATE logs SET remote_lsn = max(remote_lsn, ?) WHERE id = ? AND generation = ?",
          arguments: [Int64(state.sealed.rawValue), log, state.generation.rawValue])
        try database.execute(
          sql: "UPDATE logs SET remote_stale = 0 WHERE id = ? AND remote_stale = ?", arguments: [log, state.staleness])
        for key in state.droppedObjects {
          try database.execute(sql: "UPDATE dropped_objects SET is_published = 1 WHERE key = ?", arguments: [key])
        }
      }
      try Self.recordRemoval(of: removed, database)
      try database.execute(
        sql: "UPDATE counters SET value = max(value, ?) WHERE name = 'remote_sequence'",
        arguments: [Int64(clamping: sequence)])
    }
  }

  private static func record(_ object: StoredObject, of extent: AofChunkRecord, _ database: Database) throws {
    try setObject(object, of: extent, database)
    guard database.changesCount == 0 else { return }
    try database.execute(
      sql: "INSERT OR IGNORE INTO dropped_objects VALUES (?, ?, 0)",
      arguments: [object.key, Int64(extent.log.rawValue)])
  }

  /// Changes one row, or none if the extent is gone or another one has its place.
  static func setObject(_ object: StoredObject, of extent: AofChunkRecord, _ database: Database) throws {
    try database.execute(
      sql: """
        UPDATE extents SET object_key = ?, object_size = ?, object_checksum = ?, object_frames = ?
        WHERE log = ? AND first_lsn = ? AND end_lsn = ? AND generation = ?
        """,
      arguments: [
        object.key, Int64(clamping: object.size), Int64(object.checksum), Data(encode(object.frameLengths)),
        Int64(extent.log.rawValue), Int64(extent.range.lowerBound.rawValue), Int64(extent.range.upperBound.rawValue),
        extent.generation.rawValue,
      ])
  }

  // MARK: Dropped objects

  /// Adds objects of a log that no element of the chain names, to be deleted.
  package func recordAbandoned(_ keys: [String], of log: LogID) throws(AofError) {
    guard !keys.isEmpty else { return }
    try write { database in
      for key in keys {
        try database.execute(
          sql: "INSERT OR IGNORE INTO dropped_objects VALUES (?, ?, 1)", arguments: [key, Int64(log.rawValue)])
      }
    }
  }

  /// The objects that may be deleted: no element of the chain names them any more.
  package func deletableObjects() throws(AofError) -> [String] {
    try read { database in
      try Row.fetchAll(database, sql: "SELECT key FROM dropped_objects WHERE is_published = 1 ORDER BY key")
        .map { try $0.checked("key") }
    }
  }

  /// The objects of these logs that are not deleted yet.
  package func droppedObjects(of logs: [LogID]) throws(AofError) -> [String] {
    let logs = Set(logs)
    return try read { database in
      // There is no index by log.
      try Row.fetchAll(database, sql: "SELECT key, log FROM dropped_objects")
        .filter { logs.contains(LogID(rawValue: try $0.natural("log"))) }.map { try $0.checked("key") }
    }
  }

  /// Forgets dropped objects that are deleted.
  package func recordDeleted(_ keys: [String]) throws(AofError) {
    guard !keys.isEmpty else { return }
    try write { database in
      for key in keys { try database.execute(sql: "DELETE FROM dropped_objects WHERE key = ?", arguments: [key]) }
    }
  }
}
