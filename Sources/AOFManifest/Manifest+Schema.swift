import AOFCore
import AOFFormat
import GRDB

extension Manifest {
  /// Schema version 1. LSNs are below 2^63, so SQLite's signed integers hold them.
  static func createSchema(_ database: Database) throws {
    try database.execute(sql: "PRAGMA application_id = \(applicationID)")
    try database.execute(sql: "PRAGMA user_version = \(version)")
    try database.execute(
      sql: """
        CREATE TABLE settings (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;

        CREATE TABLE counters (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID;

        CREATE TABLE nodes (
          id INTEGER PRIMARY KEY NOT NULL,
          kind INTEGER NOT NULL,
          parent INTEGER NOT NULL,
          name BLOB,
          mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
          atime INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL,
          UNIQUE (parent, name)
        );

        CREATE TABLE wal_directories (
          id INTEGER PRIMARY KEY NOT NULL,
          path TEXT NOT NULL UNIQUE,
          first_sequence INTEGER NOT NULL
        );

        CREATE TABLE logs (
          id INTEGER PRIMARY KEY NOT NULL REFERENCES nodes(id),
          chunk_size INTEGER NOT NULL,
          data_directory TEXT NOT NULL,
          wal_directory INTEGER NOT NULL REFERENCES wal_directories(id),
          generation INTEGER NOT NULL,
          generation_start INTEGER NOT NULL,
          head_lsn INTEGER NOT NULL,
          remote_lsn INTEGER NOT NULL,
          sealed_lsn INTEGER NOT NULL,
          applied_lsn INTEGER NOT NULL,
          applied_frames BLOB NOT NULL,
          failure TEXT,
          remote_stale INTEGER NOT NULL
        );

        CREATE TABLE extents (
          log INTEGER NOT NULL REFERENCES logs(id),
          chunk INTEGER NOT NULL,
          first_lsn INTEGER NOT NULL,
          end_lsn INTEGER NOT NULL,
          generation INTEGER NOT NULL,
          frames BLOB NOT NULL,
          sealed_at INTEGER NOT NULL,
          residency BLOB,
          object_key TEXT, object_size INTEGER, object_checksum INTEGER, object_frames BLOB,
          PRIMARY KEY (log, first_lsn)
        ) WITHOUT ROWID;

        CREATE TABLE dropped_objects (
          key TEXT PRIMARY KEY NOT NULL,
          log INTEGER NOT NULL,
          unnamed_since INTEGER
        ) WITHOUT ROWID;
        CREATE INDEX objects_to_drop ON dropped_objects (log) WHERE unnamed_since IS NULL;
        CREATE INDEX objects_to_delete ON dropped_objects (unnamed_since) WHERE unnamed_since IS NOT NULL;

        CREATE TABLE trash (
          log INTEGER PRIMARY KEY NOT NULL REFERENCES logs(id),
          path BLOB NOT NULL,
          deleted_at INTEGER NOT NULL
        );

        CREATE TABLE purged_logs (
          log INTEGER PRIMARY KEY NOT NULL,
          data_directory TEXT,
          is_published INTEGER NOT NULL
        );

        CREATE TABLE changed_directories (
          directory INTEGER PRIMARY KEY NOT NULL,
          changes INTEGER NOT NULL
        );
        """)
    for name in ["next_node", "epoch", "remote_sequence", "remote_snapshot", "remote_swept"] {
      try database.execute(
        sql: "INSERT INTO counters VALUES (?, ?)", arguments: [name, name == "next_node" ? 2 : 0])
    }
  }
}

/// What a store was created with.
public struct StoreSettings: Hashable, Sendable {
  /// 32 hexadecimal digits.
  public let storeID: String
  /// The chunk size of logs that are created without one of their own.
  public let chunkSize: ChunkSize
  /// The quota of the local cache.
  public var cacheSize: ByteCount
  /// How long logs stay in the trash.
  public var trashAge: TrashAge
  /// Where the remote is, and how to get there: `dir:PATH` or `s3://BUCKET/PREFIX?SETTINGS`.
  public let remote: String
  /// The directory of the WAL of logs that are created without one of their own.
  public let walDirectory: String

  package init(
    storeID: String, chunkSize: ChunkSize, cacheSize: ByteCount, trashAge: TrashAge, remote: String,
    walDirectory: String
  ) {
    self.storeID = storeID
    self.chunkSize = chunkSize
    self.cacheSize = cacheSize
    self.trashAge = trashAge
    self.remote = remote
    self.walDirectory = walDirectory
  }
}

extension Manifest {
  private enum Key {
    static let storeID = "store_id"
    static let chunkSize = "chunk_size"
    static let cacheSize = "cache_size"
    static let trashAge = "trash_age"
    static let remote = "remote"
    static let walDirectory = "wal_directory"
  }

  static func insert(_ settings: StoreSettings, _ database: Database) throws {
    let rows = [
      (Key.storeID, settings.storeID), (Key.chunkSize, settings.chunkSize.description),
      (Key.cacheSize, settings.cacheSize.description), (Key.trashAge, settings.trashAge.description),
      (Key.remote, settings.remote), (Key.walDirectory, settings.walDirectory),
    ]
    for (key, value) in rows {
      try database.execute(sql: "INSERT INTO settings VALUES (?, ?)", arguments: [key, value])
    }
  }

  /// What the store was created with. - Throws: `corrupt`.
  package func settings() throws(AofError) -> StoreSettings {
    try read { database in
      var values: [String: String] = [:]
      for row in try Row.fetchAll(database, sql: "SELECT key, value FROM settings") {
        values[try row.checked("key")] = try row.checked("value")
      }
      guard let storeID = values[Key.storeID], let chunkSize = values[Key.chunkSize],
        let cacheSize = values[Key.cacheSize], let trashAge = values[Key.trashAge],
        let remote = values[Key.remote], let walDirectory = values[Key.walDirectory]
      else { throw ImpossibleContent(reason: "it lacks settings of the store") }
      return try ImpossibleContent.from("the settings") { () throws(AofError) in
        StoreSettings(
          storeID: storeID, chunkSize: try ChunkSize(ByteCount(parsing: chunkSize)),
          cacheSize: try ByteCount(parsing: cacheSize), trashAge: try TrashAge(parsing: trashAge), remote: remote,
          walDirectory: walDirectory)
      }
    }
  }

  /// Remembers another quota for the cache.
  package func setCacheSize(_ size: ByteCount) throws(AofError) { try set(Key.cacheSize, size.description) }

  /// Remembers how long logs are to stay in the trash.
  package func setTrashAge(_ age: TrashAge) throws(AofError) { try set(Key.trashAge, age.description) }

  /// Remembers another way to the same remote.
  package func setRemote(_ location: String) throws(AofError) { try set(Key.remote, location) }

  private func set(_ key: String, _ value: String) throws(AofError) {
    try write { try $0.execute(sql: "UPDATE settings SET value = ? WHERE key = ?", arguments: [value, key]) }
  }

  /// Counts this opening of the store, and returns its number: the epoch of what it writes.
  package func beginEpoch() throws(AofError) -> UInt64 {
    try write { database in
      try database.execute(sql: "UPDATE counters SET value = value + 1 WHERE name = 'epoch'")
      let epoch = try Self.counter("epoch", database)
      guard epoch > 0 else { throw ImpossibleContent(reason: "the epoch before this one was \(Int64(epoch) - 1)") }
      return epoch
    }
  }

  /// The number of the last element of the remote manifest chain that is known here; 0 before the first.
  package func remoteSequence() throws(AofError) -> UInt64 {
    try read { try Self.counter(Self.sequenceCounter, $0) }
  }

  /// The number of the last snapshot that was published; 0 before the first.
  package func remoteSnapshot() throws(AofError) -> UInt64 {
    try read { try Self.counter(Self.snapshotCounter, $0) }
  }

  /// A counter that is missing is damage: to begin it anew would hand out numbers twice.
  static func counter(_ name: String, _ database: Database) throws -> UInt64 {
    let row = try Row.fetchOne(database, sql: "SELECT value FROM counters WHERE name = ?", arguments: [name])
    guard let row else { throw ImpossibleContent(reason: "it lacks the counter \(name)") }
    return try row.natural("value")
  }
}
