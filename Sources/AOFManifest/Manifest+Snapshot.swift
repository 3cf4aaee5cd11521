import AOFCore
import GRDB

/// All that the remote's manifest should say of one log.
package struct PublishedLog: Sendable {
  package let log: LogID
  package let chunkSize: ChunkSize
  /// Without extents.
  package let state: UnpublishedState
  /// In the order of their LSNs.
  package let objects: [PublishedObject]
}

/// An object as the remote's manifest describes it.
package struct PublishedObject: Sendable {
  package let key: String
  /// Bytes.
  package let size: UInt64
  package let checksum: UInt32
  package let frameCount: UInt32
}

extension Manifest {
  /// All logs with their objects, at one moment.
  package func publishedLogs() throws(AofError) -> [PublishedLog] {
    try read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM logs ORDER BY id").map { row in
        let record = try Self.log(row)
        return PublishedLog(
          log: record.id, chunkSize: record.chunkSize, state: try Self.state(row, extents: [], database),
          objects: try Row.fetchAll(
            database,
            sql: """
              SELECT object_key, object_size, object_checksum, length(object_frames) / 4 AS frame_count FROM extents
              WHERE log = ? AND object_key IS NOT NULL ORDER BY first_lsn
              """,
            arguments: [Int64(record.id.rawValue)]
          ).map(Self.publishedObject))
      }
    }
  }

  /// How many logs and objects ``publishedLogs()`` would bring.
  package func countPublished() throws(AofError) -> Int {
    try read { database in
      let sql = "SELECT (SELECT count(*) FROM logs) + (SELECT count(*) FROM extents WHERE object_key IS NOT NULL)"
      return try Int.fetchOne(database, sql: sql) ?? 0
    }
  }

  private static func publishedObject(_ row: Row) throws -> PublishedObject {
    PublishedObject(
      key: try row.checked("object_key"), size: try row.natural("object_size"),
      checksum: try row.checked("object_checksum"), frameCount: try row.checked("frame_count"))
  }
}
