import AOFCore
import AOFFormat
import Foundation
import GRDB

extension Manifest {
  /// Moves a log's head up to `head`: extents below it leave, and their objects are to be dropped.
  /// - Returns: the extent that the head lies in, as it is now; nil if it lies between two or at their end.
  /// - Throws: `busy`, and nothing changes, unless the head moves up, and not past the sealed mark.
  package func recordTrim(of log: LogID, to head: LSN) throws(AofError) -> AofChunkRecord? {
    try write { database in
      let record = try Self.log(log, database)
      guard head > record.head, head <= record.sealed else {
        throw AofError(.busy, "log \(log) has LSN \(record.head)..<\(record.sealed) sealed, and was to be trimmed at \(head)")
      }
      let id = Int64(log.rawValue)
      let lsn = Int64(head.rawValue)
      // The rest of the log's extents is not looked at.
      try Self.removeExtents("log = ?1 AND first_lsn < ?2 AND end_lsn <= ?2", [id, lsn], database)
      let kept = try Row.fetchOne(
        database, sql: "SELECT * FROM extents WHERE log = ? AND first_lsn < ?", arguments: [id, lsn]
      ).map(Self.extent)?.trimmed(below: head)
      if let kept {
        if kept.object == nil {
          try Self.removeExtents("log = ? AND first_lsn < ?", [id, lsn], database)
          try Self.insert(kept, database)
        } else {
          try database.execute(
            sql: "UPDATE extents SET residency = ? WHERE log = ? AND first_lsn = ?",
            arguments: [
              kept.residency.isFull ? nil : Data(kept.residency.bytes), id, Int64(kept.range.lowerBound.rawValue),
            ])
        }
      }
      try database.execute(
        sql: """
          UPDATE logs SET head_lsn = ?1, remote_lsn = max(remote_lsn, ?1), remote_stale = remote_stale + 1
          WHERE id = ?2
          """,
        arguments: [lsn, id])
      return kept
    }
  }

  /// Ends a log at `lsn`, where a new generation begins: extents past it leave, and the one that it splits is shortened
  /// and without an object; the objects are to be dropped.
  /// - Parameter checksum: of the part of the split frame that stays.
  /// - Returns: the extent that was split, as it is now, and the remote mark.
  /// - Throws: `busy`, and nothing changes, unless `lsn` lies between head and sealed mark.
  package func recordCut(
    of log: LogID, at lsn: LSN, generation: Generation, checksum: UInt32?, time: UnixTime
  ) throws(AofError) -> (split: AofChunkRecord?, remote: LSN) {
    try write { database in
      let record = try Self.log(log, database)
      guard record.head <= lsn, lsn <= record.sealed, record.generation.next == generation else {
        throw AofError(.busy, "log \(log) has LSN \(record.head)..<\(record.sealed) sealed, and was to be cut at \(lsn)")
      }
      let id = Int64(log.rawValue)
      let end = Int64(lsn.rawValue)
      // An extent lies in one chunk: those that begin further below are not looked at.
      let first = end - Int64(clamping: record.chunkSize.byteCount.rawValue)
      let old = try Row.fetchOne(
        database, sql: "SELECT * FROM extents WHERE log = ?1 AND first_lsn > ?3 AND first_lsn < ?2 AND end_lsn > ?2",
        arguments: [id, end, first]
      ).map(Self.extent)
      try Self.removeExtents("log = ?1 AND first_lsn > ?3 AND end_lsn > ?2", [id, end, first], database)
      let split = try old?.cut(at: lsn, checksum: checksum).trimmed(below: record.head)
      if let split { try Self.insert(split, database) }
      let remote = max(record.head, min(record.remote, split?.range.lowerBound ?? lsn))
      try database.execute(
        sql: """
          UPDATE logs SET generation = ?, generation_start = ?, remote_lsn = ?, sealed_lsn = ?, applied_lsn = ?,
            applied_frames = ?, remote_stale = remote_stale + 1 WHERE id = ?
          """,
        arguments: [
          generation.rawValue, end, Int64(remote.rawValue), end, end, Data(FrameTable.encode([FrameRecord]())), id,
        ])
      try Self.setModificationTime(time, of: log, database)
      return (split, remote)
    }
  }

  private static func log(_ log: LogID, _ database: Database) throws -> AofDescriptorRecord {
    let row = try Row.fetchOne(database, sql: "SELECT * FROM logs WHERE id = ?", arguments: [Int64(log.rawValue)])
    guard let row else { throw AofError(.notFound, "the manifest has no log \(log)") }
    return try Self.log(row)
  }

  /// Removes extents, and notes the objects that go with them.
  static func removeExtents(_ condition: String, _ arguments: StatementArguments, _ database: Database) throws {
    try database.execute(
      sql: """
        INSERT OR IGNORE INTO dropped_objects
        SELECT object_key, log, NULL FROM extents WHERE object_key IS NOT NULL AND \(condition)
        """,
      arguments: arguments)
    try database.execute(sql: "DELETE FROM extents WHERE \(condition)", arguments: arguments)
  }
}

extension AofChunkRecord {
  /// Whether both are the same bytes of the same log, wherever they are.
  package func isSameRun(as other: AofChunkRecord) -> Bool {
    log == other.log && range == other.range && generation == other.generation
  }

  /// Whether a cut at `lsn` leaves a part of it.
  package func isSplit(at lsn: LSN) -> Bool { range.lowerBound < lsn && lsn < range.upperBound }

  /// The frame that holds the byte at `lsn`, which lies in the extent.
  package func frame(holding lsn: LSN) -> (index: Int, start: LSN) {
    var start = range.lowerBound
    var index = 0
    while index < frames.count - 1, start + Int(frames[index].length) <= lsn {
      start = start + Int(frames[index].length)
      index += 1
    }
    return (index, start)
  }

  /// The extent without the frames that lie wholly below `head`, or, where an object holds them all, with these frames
  /// gone from the local disk. The frame that the head cuts stays whole, for the sake of its checksum.
  func trimmed(below head: LSN) -> AofChunkRecord {
    guard range.lowerBound < head else { return self }
    let (index, start) = frame(holding: head)
    if object != nil {
      var trimmed = self
      for index in 0..<index { trimmed.residency[index] = false }
      return trimmed
    }
    var map = Bitmap(count: frames.count - index, filled: false)
    for kept in 0..<map.count { map[kept] = residency[kept + index] }
    return AofChunkRecord(
      log: log, chunk: chunk, range: start..<range.upperBound, generation: generation,
      frames: Array(frames.dropFirst(index)), sealedAt: sealedAt, residency: map)
  }

  /// The extent up to `lsn`, which it splits, all of it on the local disk. `checksum`: of what stays of the frame that
  /// is split, if one is.
  fileprivate func cut(at lsn: LSN, checksum: UInt32?) throws(AofError) -> AofChunkRecord {
    let (index, start) = frame(holding: lsn)
    var kept = Array(frames.prefix(index))
    if start < lsn {
      guard let checksum else {
        throw AofError(.invalidArgument, "the cut at \(lsn) of log \(log) splits a frame, and its checksum is not given")
      }
      kept.append(FrameRecord(length: UInt32(lsn - start), checksum: checksum, time: frames[index].time))
    }
    return AofChunkRecord(
      log: log, chunk: chunk, range: range.lowerBound..<lsn, generation: generation, frames: kept, sealedAt: sealedAt)
  }
}
