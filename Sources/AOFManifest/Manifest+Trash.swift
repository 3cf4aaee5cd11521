import AOFCore
import Foundation
import GRDB

extension Manifest {
  /// The logs in the trash. - Throws: `corrupt`.
  package func trash() throws(AofError) -> [TrashRecord] {
    try read { try Row.fetchAll($0, sql: "SELECT * FROM trash ORDER BY log").map(Self.trashRecord) }
  }

  /// Takes a log out of its directory, into the trash. The remote is to be told.
  package func moveToTrash(_ record: TrashRecord) throws(AofError) { try write { try Self.discard(record, $0) } }

  /// Gives a log in the trash a name again. - Throws: `notFound`; `alreadyExists`.
  package func restore(_ log: LogID, as name: EntryName, in directory: NodeID) throws(AofError) {
    try write { database in
      try database.execute(sql: "DELETE FROM trash WHERE log = ?", arguments: [Int64(log.rawValue)])
      guard database.changesCount == 1 else { throw AofError(.notFound, "log \(log) is not in the trash") }
      try Self.setPlace(of: log, directory, name, database)
      try Self.noteStale(log, database)
    }
  }

  /// Forgets logs in the trash for good: their objects are to be dropped, their chunk files to be removed, and the
  /// remote is to be told. - Throws: `notFound`, and nothing changes, unless all of them are in the trash.
  package func purge(_ logs: [LogID]) throws(AofError) {
    try write { database in
      for log in logs {
        let id = Int64(log.rawValue)
        try database.execute(sql: "DELETE FROM trash WHERE log = ?", arguments: [id])
        guard database.changesCount == 1 else { throw AofError(.notFound, "log \(log) is not in the trash") }
        try Self.removeExtents("log = ?", [id], database)
        try database.execute(
          sql: "INSERT INTO purged_logs SELECT id, data_directory, 0 FROM logs WHERE id = ?", arguments: [id])
        try database.execute(sql: "DELETE FROM logs WHERE id = ?", arguments: [id])
        try database.execute(sql: "DELETE FROM nodes WHERE id = ?", arguments: [id])
      }
      // Nobody is to read what they have dropped before, either.
      try database.execute(
        sql: """
          UPDATE dropped_objects SET unnamed_since = 0
          WHERE unnamed_since IS NOT NULL AND log IN (SELECT log FROM purged_logs WHERE is_published = 0)
          """)
    }
  }

  // MARK: What is left to do of purged logs

  /// Purged logs whose files may be there still, or that the remote's manifest may still have.
  package func purgedLogs() throws(AofError) -> [PurgedLog] { try purgedLogs(where: "true") }

  /// Purged logs whose chunk files may be there still.
  package func purgedLogsWithFiles() throws(AofError) -> [PurgedLog] {
    try purgedLogs(where: "data_directory IS NOT NULL")
  }

  /// Purged logs that the remote's manifest may still have.
  package func unpublishedPurges() throws(AofError) -> [PurgedLog] { try purgedLogs(where: "is_published = 0") }

  private func purgedLogs(where condition: String) throws(AofError) -> [PurgedLog] {
    try read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM purged_logs WHERE \(condition) ORDER BY log").map(Self.purgedLog)
    }
  }

  /// The chunk files of these purged logs are gone.
  package func recordFilesRemoved(of logs: [LogID]) throws(AofError) {
    guard !logs.isEmpty else { return }
    try write { database in
      for log in logs {
        try database.execute(
          sql: "UPDATE purged_logs SET data_directory = NULL WHERE log = ?", arguments: [Int64(log.rawValue)])
        try Self.forgetFinishedPurge(of: log, database)
      }
    }
  }

  /// The remote's manifest has these purged logs, and with them their objects, no more.
  static func recordRemoval(of logs: [LogID], _ database: Database) throws {
    for log in logs {
      let id = Int64(log.rawValue)
      try database.execute(sql: "UPDATE purged_logs SET is_published = 1 WHERE log = ?", arguments: [id])
    }
    // They wait for nobody.
    try database.execute(
      sql: """
        UPDATE dropped_objects SET unnamed_since = 0
        WHERE unnamed_since IS NULL AND log IN (SELECT log FROM purged_logs WHERE is_published = 1)
        """)
    for log in logs { try forgetFinishedPurge(of: log, database) }
  }

  private static func forgetFinishedPurge(of log: LogID, _ database: Database) throws {
    try database.execute(
      sql: "DELETE FROM purged_logs WHERE log = ? AND data_directory IS NULL AND is_published = 1",
      arguments: [Int64(log.rawValue)])
  }

  // MARK: Rows

  static func discard(_ record: TrashRecord, _ database: Database) throws {
    try setPlace(of: record.log, .trash, nil, database)
    try insert(record, database)
    try noteStale(record.log, database)
  }

  static func insert(_ record: TrashRecord, _ database: Database) throws {
    try database.execute(
      sql: "INSERT INTO trash VALUES (?, ?, ?)",
      arguments: [Int64(record.log.rawValue), Data(record.path.bytes), record.deletedAt.rawValue])
  }

  static func insert(_ purged: PurgedLog, _ database: Database) throws {
    try database.execute(
      sql: "INSERT INTO purged_logs VALUES (?, ?, ?)",
      arguments: [Int64(purged.log.rawValue), purged.dataDirectory, purged.isPublished ? 1 : 0])
  }

  static func trashRecord(_ row: Row) throws -> TrashRecord {
    let log = LogID(rawValue: try row.natural("log"))
    let path: Data = try row.checked("path")
    return TrashRecord(
      log: log, path: try ImpossibleContent.from("log \(log) in the trash") { () throws(AofError) in
        try LogPath(stored: path)
      },
      deletedAt: try row.time("deleted_at"))
  }

  static func purgedLog(_ row: Row) throws -> PurgedLog {
    let isPublished: Int64 = try row.checked("is_published")
    return PurgedLog(
      log: LogID(rawValue: try row.natural("log")), dataDirectory: try row.checked("data_directory"),
      isPublished: isPublished != 0)
  }
}

/// A log in the trash.
package struct TrashRecord: Hashable, Sendable {
  package let log: LogID
  /// The path that it had.
  package let path: LogPath
  package let deletedAt: UnixTime

  package init(log: LogID, path: LogPath, deletedAt: UnixTime) {
    self.log = log
    self.path = path
    self.deletedAt = deletedAt
  }
}

/// A log that is gone, and what it may have left behind.
package struct PurgedLog: Hashable, Sendable {
  package let log: LogID
  /// The directory of its chunk files; nil once they are gone.
  package let dataDirectory: String?
  /// Whether the remote's manifest has it no more.
  package let isPublished: Bool

  package init(log: LogID, dataDirectory: String?, isPublished: Bool) {
    self.log = log
    self.dataDirectory = dataDirectory
    self.isPublished = isPublished
  }
}
