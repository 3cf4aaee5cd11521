import AOFCore
import AOFFormat
import Foundation
import GRDB

extension Manifest {
  /// The extents of one chunk, in the order of their LSNs. - Throws: `corrupt`.
  package func extents(of log: LogID, in chunk: Range<LSN>) throws(AofError) -> [AofChunkRecord] {
    try extents(
      "log = ? AND first_lsn >= ? AND first_lsn < ?",
      [Int64(log.rawValue), Int64(clamping: chunk.lowerBound.rawValue), Int64(clamping: chunk.upperBound.rawValue)])
  }

  /// All extents of a log, in the order of their LSNs. - Throws: `corrupt`.
  package func extents(of log: LogID) throws(AofError) -> [AofChunkRecord] {
    try extents("log = ?", [Int64(log.rawValue)])
  }

  private func extents(_ condition: String, _ arguments: StatementArguments) throws(AofError) -> [AofChunkRecord] {
    try read { database in
      try Row.fetchAll(
        database, sql: "SELECT * FROM extents WHERE \(condition) ORDER BY first_lsn", arguments: arguments
      ).map(Self.extent)
    }
  }

  /// The chunks with extents that the remote holds and of which something was on the local disk when that was last
  /// recorded, and when the last of these was sealed.
  package func evictableChunks() throws(AofError) -> [(log: LogID, chunk: ChunkID, sealedAt: UnixTime)] {
    try read { database in
      try Row.fetchAll(
        database,
        sql: """
          SELECT log, chunk, max(sealed_at) AS sealed_at FROM extents
          WHERE object_key IS NOT NULL AND (residency IS NULL OR residency <> zeroblob(length(residency)))
          GROUP BY log, chunk
          """
      ).map { row in
        let chunk: Int64 = try row.checked("chunk")
        return (
          LogID(rawValue: try row.natural("log")), ChunkID(rawValue: UInt64(bitPattern: chunk)),
          UnixTime(rawValue: try row.checked("sealed_at"))
        )
      }
    }
  }

  /// Records which frames of extents are on the local disk. One that was merged meanwhile is passed over.
  package func recordResidency(_ changes: [(log: LogID, range: Range<LSN>, residency: Bitmap)]) throws(AofError) {
    guard !changes.isEmpty else { return }
    try write { database in
      for (log, range, residency) in changes {
        try database.execute(
          sql: "UPDATE extents SET residency = ? WHERE log = ? AND first_lsn = ? AND end_lsn = ?",
          arguments: [
            residency.isFull ? nil : Data(residency.bytes), Int64(log.rawValue), Int64(range.lowerBound.rawValue),
            Int64(range.upperBound.rawValue),
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

  static func extent(_ row: Row) throws -> AofChunkRecord {
    let log = LogID(rawValue: try row.natural("log"))
    let first = try row.lsn("first_lsn")
    let end = try row.lsn("end_lsn")
    guard first < end else { throw ImpossibleContent(reason: "log \(log) has an extent from \(first) to \(end)") }
    let table: Data = try row.checked("frames")
    let frames = try ImpossibleContent.from("the extent of log \(log) from \(first) on") { () throws(AofError) in
      try FrameTable.decode(Array(table), start: first, byteCount: end - first)
    }
    let residency: Data? = try row.checked("residency")
    return AofChunkRecord(
      log: log, chunk: ChunkID(rawValue: try row.natural("chunk")), range: first..<end,
      generation: Generation(rawValue: try row.checked("generation")), frames: frames,
      sealedAt: try row.time("sealed_at"),
      // A map that does not fit is no map: nothing counts as resident, and checksums find what is.
      residency: residency.map {
        Bitmap(bytes: Array($0), count: frames.count) ?? Bitmap(count: frames.count, filled: false)
      },
      object: try object(row, frames: frames.count))
  }

  private static func object(_ row: Row, frames: Int) throws -> StoredObject? {
    guard let key: String = try row.checked("object_key") else { return nil }
    let lengths: Data = try row.checked("object_frames")
    guard lengths.count == frames * 4 else {
      throw ImpossibleContent(reason: "it has no frame lengths that fit the object \(key)")
    }
    return StoredObject(
      key: key, size: try row.natural("object_size"), checksum: try row.checked("object_checksum"),
      frameLengths: decode(Array(lengths)))
  }

  static func encode(_ lengths: [UInt32]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(lengths.count * 4)
    for length in lengths { bytes.append(littleEndian: length) }
    return bytes
  }

  private static func decode(_ bytes: [UInt8]) -> [UInt32] {
    bytes.withUnsafeBytes { buffer in
      stride(from: 0, to: buffer.count - 3, by: 4).map { buffer.number(at: $0) }
    }
  }
}
