import AOFCore
import AOFFormat
import Foundation
import GRDB

extension Manifest {
  /// The extents of one chunk, in the order of their LSNs. - Throws: `corrupt`.
  package func extents(of log: LogID, in chunk: Range<LSN>) throws(AofError) -> [AofChunkRecord] {
    let rows = try read {
      try Row.fetchAll(
        $0, sql: "SELECT * FROM extents WHERE log = ? AND first_lsn >= ? AND first_lsn < ? ORDER BY first_lsn",
        arguments: [
          Int64(log.rawValue), Int64(clamping: chunk.lowerBound.rawValue),
          Int64(clamping: chunk.upperBound.rawValue),
        ])
    }
    return try Self.extents(rows)
  }

  /// All extents of a log, in the order of their LSNs. - Throws: `corrupt`.
  package func extents(of log: LogID) throws(AofError) -> [AofChunkRecord] {
    let rows = try read {
      try Row.fetchAll(
        $0, sql: "SELECT * FROM extents WHERE log = ? ORDER BY first_lsn", arguments: [Int64(log.rawValue)])
    }
    return try Self.extents(rows)
  }

  /// The extents of a log from `lsn` on that no published object holds yet. - Throws: `corrupt`.
  package func unpublishedExtents(of log: LogID) throws(AofError) -> [AofChunkRecord] {
    let rows = try read {
      try Row.fetchAll(
        $0, sql: "SELECT * FROM extents WHERE log = ? AND object_key IS NULL ORDER BY first_lsn",
        arguments: [Int64(log.rawValue)])
    }
    return try Self.extents(rows)
  }

  /// Records objects that the remote manifest now names, the logs' new remote marks, and the number of the
  /// chain's element that named them.
  package func recordPublished(
    _ objects: [(log: LogID, first: LSN, object: StoredObject)], remote: [LogID: LSN], sequence: UInt64
  ) throws(AofError) {
    try write { database in
      for (log, first, object) in objects {
        try database.execute(
          sql: """
            UPDATE extents SET object_key = ?, object_size = ?, object_checksum = ?, object_frames = ?
            WHERE log = ? AND first_lsn = ?
            """,
          arguments: [
            object.key, Int64(clamping: object.size), Int64(object.checksum),
            Data(Self.encode(object.frameLengths)), Int64(log.rawValue), Int64(first.rawValue),
          ])
      }
      for (log, lsn) in remote {
        try database.execute(
          sql: "UPDATE logs SET remote_lsn = max(remote_lsn, ?) WHERE id = ?",
          arguments: [Int64(lsn.rawValue), Int64(log.rawValue)])
      }
      try database.execute(
        sql: "UPDATE counters SET value = ? WHERE name = 'remote_sequence'",
        arguments: [Int64(clamping: sequence)])
    }
  }

  /// Records which frames of extents are on the local disk.
  package func recordResidency(_ changes: [(log: LogID, first: LSN, residency: Bitmap)]) throws(AofError) {
    guard !changes.isEmpty else { return }
    try write { database in
      for (log, first, residency) in changes {
        try database.execute(
          sql: "UPDATE extents SET residency = ? WHERE log = ? AND first_lsn = ?",
          arguments: [
            residency.isFull ? nil : Data(residency.bytes), Int64(log.rawValue), Int64(first.rawValue),
          ])
      }
    }
  }

  static func insert(_ extent: AofChunkRecord, _ database: Database) throws {
    try database.execute(
      sql: """
        INSERT INTO extents (log, chunk, first_lsn, end_lsn, generation, frames, sealed_at, residency)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        Int64(extent.log.rawValue), Int64(bitPattern: extent.chunk.rawValue),
        Int64(extent.range.lowerBound.rawValue), Int64(extent.range.upperBound.rawValue),
        extent.generation.rawValue, Data(FrameTable.encode(extent.frames)), extent.sealedAt.rawValue,
        extent.residency.isFull ? nil : Data(extent.residency.bytes),
      ])
  }

  private static func extents(_ rows: [Row]) throws(AofError) -> [AofChunkRecord] {
    var extents: [AofChunkRecord] = []
    extents.reserveCapacity(rows.count)
    for row in rows { extents.append(try extent(row)) }
    return extents
  }

  private static func extent(_ row: Row) throws(AofError) -> AofChunkRecord {
    let log = LogID(rawValue: UInt64(bitPattern: row["log"]))
    let first = try lsn(row["first_lsn"], "extent of log \(log)")
    let end = try lsn(row["end_lsn"], "extent of log \(log)")
    guard first < end else { throw AofError(.corrupt, "the manifest has an empty extent of log \(log)") }
    let frames = try FrameTable.decode(Array(row["frames"] as Data), start: first, byteCount: end - first)
    let residency = (row["residency"] as Data?).map { Bitmap(bytes: Array($0), count: frames.count) }
    return AofChunkRecord(
      log: log, chunk: ChunkID(rawValue: UInt64(bitPattern: row["chunk"])), range: first..<end,
      generation: Generation(rawValue: UInt32(truncatingIfNeeded: row["generation"] as Int64)), frames: frames,
      sealedAt: UnixTime(rawValue: row["sealed_at"]),
      // A map that does not fit is no map: nothing counts as resident, and checksums find what is.
      residency: residency.map { $0 ?? Bitmap(count: frames.count, filled: false) },
      object: try object(row, frames: frames.count))
  }

  private static func object(_ row: Row, frames: Int) throws(AofError) -> StoredObject? {
    guard let key = row["object_key"] as String?, let size = row["object_size"] as Int64?,
      let checksum = row["object_checksum"] as Int64?, let lengths = row["object_frames"] as Data?
    else { return nil }
    guard lengths.count == frames * 4, size >= 0 else {
      throw AofError(.corrupt, "the manifest has no frame lengths that fit the object \(key)")
    }
    return StoredObject(
      key: key, size: UInt64(size), checksum: UInt32(truncatingIfNeeded: checksum),
      frameLengths: decode(Array(lengths)))
  }

  private static func encode(_ lengths: [UInt32]) -> [UInt8] {
    lengths.flatMap { length in (0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32($0 * 8)) } }
  }

  private static func decode(_ bytes: [UInt8]) -> [UInt32] {
    bytes.withUnsafeBytes { buffer in
      stride(from: 0, to: buffer.count - 3, by: 4).map { buffer.number(at: $0) }
    }
  }
}
