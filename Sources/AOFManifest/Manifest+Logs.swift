import AOFCore
import AOFFormat
import Foundation
import GRDB

extension Manifest {
  /// All logs of the store. - Throws: `corrupt`.
  package func logs() throws(AofError) -> [AofDescriptorRecord] {
    let rows = try read { try Row.fetchAll($0, sql: "SELECT * FROM logs ORDER BY id") }
    var logs: [AofDescriptorRecord] = []
    logs.reserveCapacity(rows.count)
    for row in rows { logs.append(try Self.log(row)) }
    return logs
  }

  /// All WAL directories of the store.
  package func walDirectories() throws(AofError) -> [WalDirectoryRecord] {
    try read { try Row.fetchAll($0, sql: "SELECT * FROM wal_directories ORDER BY id") }.map { row in
      WalDirectoryRecord(
        id: WalDirectoryID(rawValue: row["id"]), path: row["path"],
        firstSequence: UInt64(bitPattern: row["first_sequence"]))
    }
  }

  /// Adds a WAL directory that has no segments yet.
  package func addWalDirectory(_ path: String) throws(AofError) -> WalDirectoryRecord {
    let id = try write { database in
      try database.execute(
        sql: "INSERT INTO wal_directories (path, first_sequence) VALUES (?, 1)", arguments: [path])
      return database.lastInsertedRowID
    }
    return WalDirectoryRecord(id: WalDirectoryID(rawValue: id), path: path, firstSequence: 1)
  }

  /// Records how far logs have been applied to their chunk files, and from which segment on each WAL still
  /// counts: one transaction, so that neither is ever ahead of the other.
  package func recordApplied(_ progress: [AppliedProgress], firstSequences: [WalDirectoryID: UInt64]) throws(AofError) {
    try write { database in
      for log in progress {
        try database.execute(
          sql: """
            UPDATE logs SET applied_lsn = ?, applied_frames = ?, generation = ?, generation_start = ?, failure = ?
            WHERE id = ? AND sealed_lsn = ?
            """,
          arguments: [
            Int64(log.applied.rawValue), Data(FrameTable.encode(log.frames)), log.generation.rawValue,
            Int64(log.generationStart.rawValue), log.failure, Int64(log.id.rawValue),
            Int64(log.sealed.rawValue),
          ])
        guard database.changesCount == 1 else {
          throw AofError(.busy, "log \(log.id) was sealed meanwhile")
        }
        try database.execute(
          sql: "UPDATE nodes SET mtime = max(mtime, ?) WHERE id = ?",
          arguments: [log.modificationTime.rawValue, Int64(log.id.rawValue)])
      }
      for (directory, sequence) in firstSequences {
        try database.execute(
          sql: "UPDATE wal_directories SET first_sequence = max(first_sequence, ?) WHERE id = ?",
          arguments: [Int64(bitPattern: sequence), directory.rawValue])
      }
    }
  }

  /// Adds the extents of one seal and moves the log's sealed and applied marks to their end.
  package func recordSeal(_ extents: [AofChunkRecord], of log: LogID, modificationTime: UnixTime) throws(AofError) {
    guard let end = extents.last?.range.upperBound else { return }
    try write { database in
      for extent in extents { try Self.insert(extent, database) }
      try database.execute(
        sql: """
          UPDATE logs SET sealed_lsn = ?1, applied_lsn = ?1, applied_frames = ?2 WHERE id = ?3
          """,
        arguments: [Int64(end.rawValue), Data(FrameTable.encode([])), Int64(log.rawValue)])
      try database.execute(
        sql: "UPDATE nodes SET mtime = max(mtime, ?) WHERE id = ?",
        arguments: [modificationTime.rawValue, Int64(log.rawValue)])
    }
  }

  static func insert(_ log: AofDescriptorRecord, _ database: Database) throws {
    try database.execute(
      sql: "INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      arguments: [
        Int64(log.id.rawValue), Int64(log.chunkSize.byteCount.rawValue), log.dataDirectory,
        log.walDirectory.rawValue, log.generation.rawValue, Int64(log.generationStart.rawValue),
        Int64(log.head.rawValue), Int64(log.remote.rawValue), Int64(log.sealed.rawValue),
        Int64(log.applied.rawValue), Data(FrameTable.encode(log.appliedFrames)), log.failure,
      ])
  }

  private static func log(_ row: Row) throws(AofError) -> AofDescriptorRecord {
    let id = LogID(rawValue: UInt64(bitPattern: row["id"]))
    let sealed = try lsn(row["sealed_lsn"], "sealed LSN of log \(id)")
    let applied = try lsn(row["applied_lsn"], "applied LSN of log \(id)")
    guard sealed <= applied else {
      throw AofError(.corrupt, "the manifest has log \(id) applied only below what is sealed")
    }
    let frames: Data = row["applied_frames"]
    return AofDescriptorRecord(
      id: id, chunkSize: try ChunkSize(ByteCount(rawValue: UInt64(bitPattern: row["chunk_size"]))),
      dataDirectory: row["data_directory"], walDirectory: WalDirectoryID(rawValue: row["wal_directory"]),
      generation: Generation(rawValue: UInt32(truncatingIfNeeded: row["generation"] as Int64)),
      generationStart: try lsn(row["generation_start"], "generation of log \(id)"),
      head: try lsn(row["head_lsn"], "head LSN of log \(id)"),
      remote: try lsn(row["remote_lsn"], "remote LSN of log \(id)"), sealed: sealed, applied: applied,
      appliedFrames: try FrameTable.decode(Array(frames), start: sealed, byteCount: applied - sealed),
      failure: row["failure"])
  }

  static func lsn(_ value: Int64, _ what: String) throws(AofError) -> LSN {
    guard value >= 0 else { throw AofError(.corrupt, "the manifest has an impossible \(what): \(value)") }
    return LSN(rawValue: UInt64(value))
  }
}

/// How far one log has been applied.
package struct AppliedProgress: Sendable {
  package let id: LogID
  /// Where the frames begin; the log must still be sealed up to here.
  package let sealed: LSN
  package let applied: LSN
  package let frames: [FrameRecord]
  package let generation: Generation
  package let generationStart: LSN
  package let failure: String?
  package let modificationTime: UnixTime

  package init(
    id: LogID, sealed: LSN, applied: LSN, frames: [FrameRecord], generation: Generation, generationStart: LSN,
    failure: String?, modificationTime: UnixTime
  ) {
    self.id = id
    self.sealed = sealed
    self.applied = applied
    self.frames = frames
    self.generation = generation
    self.generationStart = generationStart
    self.failure = failure
    self.modificationTime = modificationTime
  }
}
