import AOFCore
import AOFFormat
import Foundation
import GRDB

extension Manifest {
  /// All logs of the store. - Throws: `corrupt`.
  package func logs() throws(AofError) -> [AofDescriptorRecord] {
    try read { try Row.fetchAll($0, sql: "SELECT * FROM logs ORDER BY id").map(Self.log) }
  }

  /// All WAL directories of the store. - Throws: `corrupt`.
  package func walDirectories() throws(AofError) -> [WalDirectoryRecord] {
    try read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM wal_directories ORDER BY id").map(Self.walDirectory)
    }
  }

  static func walDirectory(_ row: Row) throws -> WalDirectoryRecord {
    WalDirectoryRecord(
      id: WalDirectoryID(rawValue: try row.checked("id")), path: try row.checked("path"),
      firstSequence: try row.natural("first_sequence"))
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
        try Self.setModificationTime(log.modificationTime, of: log.id, database)
      }
      for (directory, sequence) in firstSequences {
        try database.execute(
          sql: "UPDATE wal_directories SET first_sequence = max(first_sequence, ?) WHERE id = ?",
          arguments: [Int64(bitPattern: sequence), directory.rawValue])
      }
    }
  }

  /// Adds the extents of one seal and moves the log's sealed mark to their end, and its applied mark to `applied`,
  /// which is there or further on; `appliedFrames` are the checksums between the two.
  /// - Throws: `busy`, and nothing changes, unless the extents go on from the sealed mark without a gap, and the applied
  ///   mark does not go back: the WAL behind it may be gone.
  package func recordSeal(
    _ extents: [AofChunkRecord], of log: LogID, applied: LSN, appliedFrames: [FrameRecord],
    modificationTime: UnixTime
  ) throws(AofError) {
    guard let end = extents.last?.range.upperBound else { return }
    try write { database in
      guard let row = try Row.fetchOne(database, sql: "SELECT * FROM logs WHERE id = ?", arguments: [Int64(log.rawValue)])
      else { throw AofError(.notFound, "the manifest has no log \(log)") }
      let record = try Self.log(row)
      var next = record.sealed
      for extent in extents {
        guard extent.log == log, extent.range.lowerBound == next else {
          throw AofError(.busy, "log \(log) is sealed up to \(next), and was to be sealed from \(extent.range.lowerBound)")
        }
        try Self.insert(extent, database)
        next = extent.range.upperBound
      }
      guard applied >= max(end, record.applied) else {
        throw AofError(.busy, "log \(log) is applied up to \(max(end, record.applied)), and was to go back to \(applied)")
      }
      try database.execute(
        sql: """
          UPDATE logs SET sealed_lsn = ?, applied_lsn = ?, applied_frames = ? WHERE id = ?
          """,
        arguments: [
          Int64(end.rawValue), Int64(applied.rawValue), Data(FrameTable.encode(appliedFrames)),
          Int64(log.rawValue),
        ])
      try Self.setModificationTime(modificationTime, of: log, database)
    }
  }

  /// Times that were set by hand hold until the next append after that.
  static func setModificationTime(_ time: UnixTime, of log: LogID, _ database: Database) throws {
    try database.execute(
      sql: "UPDATE nodes SET mtime = ?1 WHERE id = ?2 AND ?1 > ctime",
      arguments: [time.rawValue, Int64(log.rawValue)])
  }

  /// - Parameter isNews: whether the remote's manifest does not have it.
  static func insert(_ log: AofDescriptorRecord, isNews: Bool, _ database: Database) throws {
    try database.execute(
      sql: "INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      arguments: [
        Int64(log.id.rawValue), Int64(log.chunkSize.byteCount.rawValue), log.dataDirectory,
        log.walDirectory.rawValue, log.generation.rawValue, Int64(log.generationStart.rawValue),
        Int64(log.head.rawValue), Int64(log.remote.rawValue), Int64(log.sealed.rawValue),
        Int64(log.applied.rawValue), Data(FrameTable.encode(log.appliedFrames)), log.failure,
        isNews ? 1 : 0,
      ])
  }

  static func log(_ row: Row) throws -> AofDescriptorRecord {
    let id = LogID(rawValue: try row.natural("id"))
    let chunkSize = ByteCount(rawValue: try row.natural("chunk_size"))
    let sealed = try row.lsn("sealed_lsn")
    let applied = try row.lsn("applied_lsn")
    let (head, remote) = (try row.lsn("head_lsn"), try row.lsn("remote_lsn"))
    guard head <= sealed, remote <= sealed, sealed <= applied else {
      throw ImpossibleContent(
        reason: "log \(id) begins at \(head), is in the remote up to \(remote), sealed up to \(sealed), and applied up to \(applied)")
    }
    let frames: Data = try row.checked("applied_frames")
    let (size, table) = try ImpossibleContent.from("log \(id)") { () throws(AofError) in
      (
        try ChunkSize(chunkSize),
        try FrameTable.decode(Array(frames), start: sealed, byteCount: applied - sealed)
      )
    }
    return AofDescriptorRecord(
        id: id, chunkSize: size, dataDirectory: try row.checked("data_directory"),
        walDirectory: WalDirectoryID(rawValue: try row.checked("wal_directory")),
        generation: Generation(rawValue: try row.checked("generation")),
        generationStart: try row.lsn("generation_start"), head: head,
        remote: remote, sealed: sealed, applied: applied, appliedFrames: table,
        failure: try row.checked("failure"))
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
