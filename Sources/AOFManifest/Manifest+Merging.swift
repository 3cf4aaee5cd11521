import AOFCore
import GRDB

extension Manifest {
  /// Those of the chunks in which several extents are wholly on the local disk, as far as the manifest knows.
  package func chunksToMerge(of log: LogID, _ chunks: Range<ChunkID>, _ size: ChunkSize) throws(AofError) -> [ChunkID] {
    try read { database in
      try Row.fetchAll(
        database,
        sql: """
          SELECT chunk FROM extents WHERE log = ? AND first_lsn >= ? AND first_lsn < ? AND residency IS NULL
          GROUP BY chunk HAVING count(*) > 1 ORDER BY chunk
          """,
        arguments: [
          Int64(log.rawValue), Int64(clamping: size.chunkStart(chunks.lowerBound).rawValue),
          Int64(clamping: size.chunkStart(chunks.upperBound).rawValue),
        ]
      ).map { ChunkID(rawValue: try $0.natural("chunk")) }
    }
  }

  /// Puts a merged extent, whose object the chain names now, in the place of its parts, whose objects are dropped.
  /// - Returns: the extent as it is recorded. Nil if a part is not as it was: then the parts stay, and the object is
  ///   dropped.
  package func recordMerger(_ merger: NewObject, at time: UnixTime) throws(AofError) -> AofChunkRecord? {
    try write { database in
      let log = Int64(merger.extent.log.rawValue)
      let range = merger.extent.range
      let condition = "log = ? AND first_lsn >= ? AND first_lsn < ?"
      let arguments: StatementArguments = [log, Int64(range.lowerBound.rawValue), Int64(range.upperBound.rawValue)]
      let parts = try Row.fetchAll(
        database, sql: "SELECT * FROM extents WHERE \(condition) ORDER BY first_lsn", arguments: arguments
      ).map(Self.extent)
      let isAsItWas = parts.count == merger.parts.count
        && zip(parts, merger.parts).allSatisfy { $0.isSameRun(as: $1) && $0.object == $1.object }
      guard isAsItWas, var merged = AofChunkRecord.merged(parts) else {
        try Self.drop(merger.object.key, of: merger.extent.log, unnamedSince: nil, database)
        return nil
      }
      try database.execute(sql: "DELETE FROM extents WHERE \(condition)", arguments: arguments)
      for key in merger.replaced { try Self.drop(key, of: merged.log, unnamedSince: time, database) }
      try Self.insert(merged, database)
      try Self.setObject(merger.object, of: merged, database)
      merged.object = merger.object
      return merged
    }
  }
}
