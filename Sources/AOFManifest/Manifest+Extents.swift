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

  /// The chunks of a log of which something was on the local disk when that was last recorded.
  package func residentChunks(of log: LogID) throws(AofError) -> Set<ChunkID> {
    try readAtOnce { database in
      let statement = try database.cachedStatement(
        sql: "SELECT DISTINCT chunk FROM extents WHERE log = ? AND (residency IS NULL OR residency <> zeroblob(length(residency)))")
      return Set(
        try Int64.fetchAll(statement, arguments: [Int64(log.rawValue)]).map { ChunkID(rawValue: UInt64(bitPattern: $0)) })
    }
  }

  private func extents(_ condition: String, _ arguments: StatementArguments) throws(AofError) -> [AofChunkRecord] {
    // Cold reads of chunks that are not in memory wait for it.
    try readAtOnce { database in
      let statement = try database.cachedStatement(sql: "SELECT * FROM extents WHERE \(condition) ORDER BY first_lsn")
      return try Row.fetchAll(statement, arguments: arguments).map(Self.extent)
    }
  }

  /// An extent that the remote holds too.
  package struct EvictableExtent: Sendable {
    package let log: LogID
    /// What was on the local disk when that was last recorded.
    package let resident: [Range<LSN>]
    package let sealedAt: UnixTime
  }

  /// The extents that the remote holds and of which something was on the local disk when that was last recorded. Read some at
  /// a time, so that nobody waits for all of them; their frames are not looked at.
  package func evictableExtents() throws(AofError) -> [EvictableExtent] {
    var found: [EvictableExtent] = []
    var last: (log: Int64, first: Int64) = (-1, -1)
    let pageSize = 10_000
    while true {
      let (page, end, count) = try read { [last] database in
        try Self.evictableExtents(database, after: last, limit: pageSize)
      }
      found += page
      last = end
      guard count == pageSize else { return found }
    }
  }

  private static func evictableExtents(
    _ database: Database, after last: (log: Int64, first: Int64), limit: Int
  ) throws -> ([EvictableExtent], last: (log: Int64, first: Int64), count: Int) {
    let rows = try Row.fetchAll(
      database,
      sql: """
        SELECT log, first_lsn, end_lsn, sealed_at, residency FROM extents
        WHERE (log, first_lsn) > (?, ?) AND object_key IS NOT NULL ORDER BY log, first_lsn LIMIT ?
        """, arguments: [last.log, last.first, limit])
    var end = last
    var found: [EvictableExtent] = []
    for row in rows {
      end = (try row.checked("log"), try row.checked("first_lsn"))
      let range = try row.lsn("first_lsn")..<max(try row.lsn("first_lsn"), try row.lsn("end_lsn"))
      let residency: Data? = try row.checked("residency")
      let resident = resident(range, residency.map { Array($0) })
      guard !resident.isEmpty else { continue }
      found.append(
        EvictableExtent(log: LogID(rawValue: try row.natural("log")), resident: resident, sealedAt: try row.time("sealed_at")))
    }
    return (found, end, rows.count)
  }

  /// The parts of an extent that a map of its frames says are there, nil for all.
  private static func resident(_ range: Range<LSN>, _ map: [UInt8]?) -> [Range<LSN>] {
    guard !range.isEmpty else { return [] }
    guard let map else { return [range] }
    let frame = UInt64(Limits.frameSize)
    let first = range.lowerBound.rawValue / frame
    let count = Int((range.upperBound.rawValue - 1) / frame - first) + 1
    guard let bits = Bitmap(bytes: map, count: count) else { return [] }
    var found: [Range<LSN>] = []
    for index in 0..<count where bits[index] {
      let start = (first + UInt64(index)) * frame
      let cell = (LSN(rawValue: start)..<LSN(rawValue: start + frame)).clamped(to: range)
      found.join(cell)
    }
    return found
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
