import AOFCore
import GRDB

/// Objects that no extent needs any more, on their way out of the remote: first the chain must name them no more, then
/// those who read the chain a moment ago get their time, then they are deleted.
extension Manifest {
  /// Adds objects of a log that no element of the chain ever named. They may be deleted at once.
  package func recordAbandoned(_ keys: [String], of log: LogID) throws(AofError) {
    try add(keys.map { ($0, log) }, unnamedSince: UnixTime(rawValue: 0))
  }

  /// Adds objects that were found in the remote, and that no manifest names.
  package func recordOrphans(_ objects: [(key: String, log: LogID)], at time: UnixTime) throws(AofError) {
    try add(objects, unnamedSince: time)
  }

  private func add(_ objects: [(key: String, log: LogID)], unnamedSince time: UnixTime) throws(AofError) {
    guard !objects.isEmpty else { return }
    try write { database in
      for (key, log) in objects { try Self.drop(key, of: log, unnamedSince: time, database) }
    }
  }

  /// `unnamedSince`: nil while the remote's manifest names the object.
  static func drop(_ key: String, of log: LogID, unnamedSince time: UnixTime?, _ database: Database) throws {
    try database.execute(
      sql: "INSERT OR IGNORE INTO dropped_objects VALUES (?, ?, ?)",
      arguments: [key, Int64(log.rawValue), time?.rawValue])
  }

  /// The objects that may be deleted: those that no element of the chain has named since `time`.
  package func deletableObjects(unnamedSince time: UnixTime, limit: Int) throws(AofError) -> [String] {
    try read { database in
      try Row.fetchAll(
        database,
        sql: "SELECT key FROM dropped_objects WHERE unnamed_since IS NOT NULL AND unnamed_since <= ? ORDER BY unnamed_since, key LIMIT ?",
        arguments: [time.rawValue, limit]
      ).map { try $0.checked("key") }
    }
  }

  /// Objects that could not be deleted: others have their turn before they are tried again.
  package func postponeDeletion(of keys: [String], until time: UnixTime) throws(AofError) {
    guard !keys.isEmpty else { return }
    try write { database in
      for key in keys {
        try database.execute(
          sql: "UPDATE dropped_objects SET unnamed_since = ? WHERE key = ? AND unnamed_since IS NOT NULL",
          arguments: [time.rawValue, key])
      }
    }
  }

  /// The objects of these logs that are not deleted yet.
  package func droppedObjects(of logs: [LogID]) throws(AofError) -> [String] {
    let wanted = logs.map { String(Int64(clamping: $0.rawValue)) }.joined(separator: ",")
    return try read { database in
      // There is no index by log of those that are named no more.
      try Row.fetchAll(database, sql: "SELECT key FROM dropped_objects WHERE log IN (\(wanted)) ORDER BY key")
        .map { try $0.checked("key") }
    }
  }

  /// Those of the keys that neither an extent nor a dropped object has: nothing here knows of them.
  package func unknownObjects(_ keys: [(key: String, log: LogID, first: LSN)]) throws(AofError) -> Set<String> {
    try read { database in
      var unknown: Set<String> = []
      for (key, log, first) in keys {
        let count = try Int.fetchOne(
          database,
          sql: """
            SELECT (SELECT count(*) FROM extents WHERE log = ?1 AND first_lsn = ?2 AND object_key = ?3)
              + (SELECT count(*) FROM dropped_objects WHERE key = ?3)
            """,
          arguments: [Int64(clamping: log.rawValue), Int64(clamping: first.rawValue), key])
        if count == 0 { unknown.insert(key) }
      }
      return unknown
    }
  }

  /// Forgets dropped objects that are deleted.
  package func recordDeleted(_ keys: [String]) throws(AofError) {
    guard !keys.isEmpty else { return }
    try write { database in
      for key in keys { try database.execute(sql: "DELETE FROM dropped_objects WHERE key = ?", arguments: [key]) }
    }
  }

  // MARK: The sweep

  /// When the remote was last looked through for what no manifest names.
  package func lastSweep() throws(AofError) -> UnixTime {
    UnixTime(rawValue: Int64(clamping: try read { try Self.counter(Self.sweepCounter, $0) }))
  }

  package func recordSweep(at time: UnixTime) throws(AofError) {
    try write { database in
      try database.execute(
        sql: "UPDATE counters SET value = ? WHERE name = ?", arguments: [max(0, time.rawValue), Self.sweepCounter])
    }
  }

  static let sweepCounter = "remote_swept"
}
