import AOFCore
import Foundation
import GRDB

/// What the remote lacks of a log, at one moment.
package struct UnpublishedState: Sendable {
  package let generation: Generation
  package let head: LSN
  package let remote: LSN
  package let sealed: LSN
  /// Extents that no published object holds, in the order of their LSNs.
  package let extents: [AofChunkRecord]
  /// Objects that the remote's manifest names, and the log needs no more.
  package let droppedObjects: [String]
  /// Counts what the remote's manifest was not told of yet: changes of name, attributes, head and generation.
  let staleness: Int64

  /// Whether the remote's manifest has older ones of these, or has never heard of the log.
  package var isStale: Bool { staleness > 0 }

  /// Whether the log still begins, and ended last, where it did in the other state.
  package func isSameLife(as other: UnpublishedState) -> Bool { generation == other.generation && head == other.head }
}

/// An object that is new in the remote.
package struct NewObject: Sendable {
  /// What it holds.
  package let extent: AofChunkRecord
  /// The extents that it holds, in the order of their LSNs: just that one, or those that it is the merger of.
  package let parts: [AofChunkRecord]
  package let object: StoredObject

  package init(extent: AofChunkRecord, parts: [AofChunkRecord], object: StoredObject) {
    self.extent = extent
    self.parts = parts
    self.object = object
  }

  package var isMerger: Bool { parts.count > 1 }

  /// The objects whose place it takes.
  package var replaced: [String] { isMerger ? parts.compactMap(\.object?.key) : [] }
}

/// What one element of the remote's manifest chain said of a log.
package struct Publication: Sendable {
  package let log: LogID
  /// Generation, head and dropped objects as they were when the element was made.
  package let state: UnpublishedState
  /// How far the remote holds the log, as the element said.
  package let remote: LSN
  /// The objects that it named which are not mergers: those are recorded one by one.
  package let objects: [NewObject]

  package init(log: LogID, state: UnpublishedState, remote: LSN, objects: [NewObject] = []) {
    self.log = log
    self.state = state
    self.remote = remote
    self.objects = objects
  }
}

extension Manifest {
  /// Logs of which the remote must learn something that is not bytes.
  package func staleLogs() throws(AofError) -> Set<LogID> {
    try read { database in
      Set(try Int64.fetchAll(database, sql: "SELECT id FROM logs WHERE remote_stale <> 0").map { LogID(rawValue: UInt64(clamping: $0)) })
    }
  }

  /// What the remote lacks of a log. - Throws: `corrupt`; `notFound`.
  package func unpublished(of log: LogID) throws(AofError) -> UnpublishedState {
    try read { database in
      let id = Int64(log.rawValue)
      guard let row = try Row.fetchOne(database, sql: "SELECT * FROM logs WHERE id = ?", arguments: [id]) else {
        throw AofError(.notFound, "the manifest has no log \(log)")
      }
      return try Self.state(
        row,
        extents: try Row.fetchAll(
          database, sql: "SELECT * FROM extents WHERE \(Self.isUnpublished) ORDER BY first_lsn",
          arguments: ["log": id, "remote": Int64(try row.lsn("remote_lsn").rawValue)]
        ).map(Self.extent), database)
    }
  }

  /// Extents that no object holds. None lies below the remote mark, but for a part of the frame that a trim has cut: so a log's
  /// other extents, of which there may be millions, are not looked at.
  private static let isUnpublished = "log = :log AND first_lsn >= :remote - \(Limits.frameSize) AND object_key IS NULL"

  /// How far the logs are sealed.
  package func sealedPast() throws(AofError) -> SealedPast {
    try read { database in
      var past = SealedPast(nextNode: try Self.counter(Self.nextNode, database))
      for row in try Row.fetchAll(database, sql: "SELECT id, generation, head_lsn, sealed_lsn, remote_lsn FROM logs") {
        let (head, remote) = (try row.lsn("head_lsn"), try row.lsn("remote_lsn"))
        past.logs[LogID(rawValue: try row.natural("id"))] = SealedPast.Log(
          generation: Generation(rawValue: try row.checked("generation")), head: head,
          sealed: try row.lsn("sealed_lsn"), isPublished: remote > head)
      }
      return past
    }
  }

  static func state(_ row: Row, extents: [AofChunkRecord], _ database: Database) throws -> UnpublishedState {
    let record = try Self.log(row)
    return UnpublishedState(
      generation: record.generation, head: record.head, remote: record.remote, sealed: record.sealed,
      extents: extents,
      droppedObjects: try Row.fetchAll(
        database, sql: "SELECT key FROM dropped_objects WHERE log = ? AND unnamed_since IS NULL ORDER BY key",
        arguments: [Int64(record.id.rawValue)]
      ).map { try $0.checked("key") },
      staleness: try row.checked("remote_stale"))
  }

  /// Records what an element of the chain said: objects, how far the remote holds the logs, which objects it names no
  /// more, which purged logs it `removed`, and of which directories it told. Where a log was truncated or purged since, its new state stands: objects of
  /// extents that are gone are dropped in their turn.
  /// - Parameters:
  ///   - sequence: the element's number; nil if it says what is not so here, and the next opening must notice.
  ///   - isSnapshot: whether the element is the whole state.
  /// - Returns: how far the remote holds each of the logs now: up to the first extent without an object. One may have lost
  ///   its own since, when the log was trimmed.
  @discardableResult
  package func recordPublished(
    _ publications: [Publication], removed: [LogID] = [], directories: [ChangedDirectory] = [], sequence: UInt64?,
    isSnapshot: Bool = false, at time: UnixTime
  ) throws(AofError) -> [LogID: LSN] {
    try write { database in
      var remote: [LogID: LSN] = [:]
      for publication in publications {
        for new in publication.objects { try Self.record(new.object, of: new.extent, database) }
        let state = publication.state
        let log = Int64(publication.log.rawValue)
        if let mark = try Self.raiseRemote(of: log, to: publication.remote, generation: state.generation, database) {
          remote[publication.log] = mark
        }
        try database.execute(
          sql: "UPDATE logs SET remote_stale = 0 WHERE id = ? AND remote_stale = ?", arguments: [log, state.staleness])
        for key in state.droppedObjects { try Self.noteUnnamed("key = ?", [key], at: time, database) }
      }
      try Self.recordRemoval(of: removed, database)
      try Self.recordPublished(directories, database)
      guard let sequence else { return remote }
      for name in [Self.sequenceCounter] + (isSnapshot ? [Self.snapshotCounter] : []) {
        try database.execute(
          sql: "UPDATE counters SET value = max(value, ?) WHERE name = ?", arguments: [Int64(clamping: sequence), name])
      }
      return remote
    }
  }

  /// - Returns: the remote mark as it is then; nil if the log is gone.
  private static func raiseRemote(
    of log: Int64, to remote: LSN, generation: Generation, _ database: Database
  ) throws -> LSN? {
    guard let row = try Row.fetchOne(database, sql: "SELECT remote_lsn, generation FROM logs WHERE id = ?", arguments: [log])
    else { return nil }
    let old = try row.lsn("remote_lsn")
    guard try row.checked("generation") == generation.rawValue else { return old }
    let gap = try Int64.fetchOne(
      database, sql: "SELECT min(first_lsn) FROM extents WHERE \(isUnpublished)",
      arguments: ["log": log, "remote": Int64(old.rawValue)])
    let new = max(old, min(remote, gap.map { LSN(rawValue: UInt64(clamping: $0)) } ?? remote))
    try database.execute(sql: "UPDATE logs SET remote_lsn = ? WHERE id = ?", arguments: [Int64(new.rawValue), log])
    return new
  }

  /// Objects that were dropped are named by the chain no more.
  static func noteUnnamed(
    _ condition: String, _ arguments: StatementArguments, at time: UnixTime, _ database: Database
  ) throws {
    try database.execute(
      sql: "UPDATE dropped_objects SET unnamed_since = \(time.rawValue) WHERE unnamed_since IS NULL AND \(condition)",
      arguments: arguments)
  }

  private static func record(_ object: StoredObject, of extent: AofChunkRecord, _ database: Database) throws {
    try setObject(object, of: extent, database)
    if database.changesCount == 0 { try drop(object.key, of: extent.log, unnamedSince: nil, database) }
  }

  /// Changes one row, or none if the extent is gone or another one has its place.
  static func setObject(_ object: StoredObject, of extent: AofChunkRecord, _ database: Database) throws {
    try database.execute(
      sql: """
        UPDATE extents SET object_key = ?, object_size = ?, object_checksum = ?, object_frames = ?
        WHERE log = ? AND first_lsn = ? AND end_lsn = ? AND generation = ?
        """,
      arguments: [
        object.key, Int64(clamping: object.size), Int64(object.checksum), Data(encode(object.frameLengths)),
        Int64(extent.log.rawValue), Int64(extent.range.lowerBound.rawValue), Int64(extent.range.upperBound.rawValue),
        extent.generation.rawValue,
      ])
  }
}
