import AOFCore
import AOFFormat
import AOFSystem
import Foundation
import GRDB

/// The store's catalogue in SQLite: names, logs, extents, and how far the WAL has been applied.
///
/// Every change is one transaction and durable when its call returns (`synchronous=FULL`). Calls block on
/// local disk I/O and may come from any thread. Schema and versions: docs/format/manifest.md.
public final class Manifest: Sendable {
  /// "AOFM", in the database header.
  static let applicationID = 0x414F_464D
  static let version = 1

  private let database: DatabaseQueue
  /// GRDB takes a use of a closed database for a mistake and ends the process; a checkpoint may outlast its store.
  private let use = Monitor(Use())
  public let path: String

  private struct Use {
    /// Threads in a transaction.
    var users = 0
    var isClosed = false
  }

  /// Where the database lies if it is a copy, which goes with us.
  private let home: TemporaryDirectory?

  private init(path: String, database: DatabaseQueue, home: TemporaryDirectory? = nil) {
    self.path = path
    self.database = database
    self.home = home
  }

  /// Creates the manifest of a new store. - Throws: `alreadyExists`; local failures.
  package static func create(_ path: String, settings: StoreSettings, root: NodeRecord) throws(AofError) -> Manifest {
    guard !FileManager.default.fileExists(atPath: path) else {
      throw AofError(.alreadyExists, "\(path) exists")
    }
    // SQLite gives the files beside it the same mode: names of logs are nobody else's business.
    guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]) else {
      throw AofError(.localFailure, "the manifest \(path) cannot be created", remedy: "check space and permissions")
    }
    let manifest = try connect(path) { _ in }
    try manifest.write { database in
      try createSchema(database)
      try insert(settings, database)
      try insert(root, database)
    }
    return manifest
  }

  /// Opens a store's manifest.
  /// - Throws: `notFound`; `notAStore` for another program's database; `newerVersion`; `corrupt`.
  package static func open(_ path: String) throws(AofError) -> Manifest {
    guard FileManager.default.fileExists(atPath: path) else {
      throw AofError(.notFound, "\(path) does not exist")
    }
    return try connect(path) { try checkVersion($0, path) }
  }

  /// `check` runs before anything that writes, and the pragma of the journal mode does: what is refused stays as it is.
  static func connect(
    _ path: String, check: @escaping @Sendable (Database) throws -> Void
  ) throws(AofError) -> Manifest {
    var configuration = configuration()
    configuration.prepareDatabase { database in
      try check(database)
      try database.execute(sql: "PRAGMA journal_mode = WAL")
      try database.execute(sql: "PRAGMA synchronous = FULL")
      try database.execute(sql: "PRAGMA trusted_schema = OFF")
    }
    return try translating(path) {
      Manifest(path: path, database: try DatabaseQueue(path: path, configuration: configuration))
    }
  }

  /// Opens a copy of the manifest that is called `path`: it is called so too in messages.
  static func openCopy(
    of path: String, at copy: String, in home: TemporaryDirectory, damaged: Bool
  ) throws(AofError) -> Manifest {
    var configuration = configuration()
    configuration.foreignKeysEnabled = false
    configuration.prepareDatabase { database in
      if !damaged { try checkVersion(database, path) }
      try database.execute(sql: "PRAGMA trusted_schema = OFF")
    }
    return try translating(path) {
      Manifest(path: path, database: try DatabaseQueue(path: copy, configuration: configuration), home: home)
    }
  }

  private static func configuration() -> Configuration {
    var configuration = Configuration()
    configuration.label = "aofs manifest"
    // Another process can only be reading along (a backup); wait for it rather than fail.
    configuration.busyMode = .timeout(10)
    return configuration
  }

  private static func checkVersion(_ database: Database, _ path: String) throws {
    let found = try check(database, path, upTo: version)
    guard found == version else {
      throw AofError(
        .unsupported, "\(path) has the manifest version \(found), and this aofs works with \(version)",
        remedy: "run 'aofs upgrade' on the store")
    }
    let tables = try String.fetchSet(database, sql: "SELECT name FROM sqlite_schema WHERE type = 'table'")
    if let missing = Self.tables.subtracting(tables).min() {
      throw ImpossibleContent(reason: "it lacks the table \(missing)")
    }
  }

  private static let tables: Set = [
    "settings", "counters", "nodes", "wal_directories", "logs", "extents", "dropped_objects", "trash", "purged_logs",
    "changed_directories",
  ]

  /// Whether the database is a manifest of a version from 1 to `latest`; returns its version.
  @discardableResult
  static func check(_ database: Database, _ path: String, upTo latest: Int) throws -> Int {
    let application = try Int.fetchOne(database, sql: "PRAGMA application_id")
    let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
    let tables = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
    guard application != 0 || tables > 0 else {
      throw AofError(
        .corrupt, "the manifest \(path) is empty", remedy: "restore it from a backup, and change nothing beside it")
    }
    guard application == applicationID else {
      throw AofError(
        .notAStore, "\(path) is a database, but not a manifest of aofs",
        remedy: "name the directory that 'aofs mount' created")
    }
    guard version <= latest else {
      throw AofError(
        .newerVersion, "\(path) has manifest version \(version), and this aofs reads up to \(latest)",
        remedy: "use a newer aofs")
    }
    guard version >= 1 else { throw AofError(.corrupt, "\(path) has the impossible manifest version \(version)") }
    return version
  }

  /// Moves SQLite's own journal into the database and lets go of it, once the transactions under way are done. Every
  /// later use throws `readOnly`.
  package func close() throws(AofError) {
    use.withLock { $0.isClosed = true }
    use.wait { $0.users == 0 ? () : nil }
    try Self.translating(path) { try database.close() }
  }

  // MARK: Transactions

  func read<Result>(_ body: (Database) throws -> Result) throws(AofError) -> Result {
    try whileOpen { () throws(AofError) in try Self.translating(path) { try database.read(body) } }
  }

  /// As ``read(_:)``, for a single statement, which is its own transaction: without those around it.
  func readAtOnce<Result>(_ body: (Database) throws -> Result) throws(AofError) -> Result {
    try whileOpen { () throws(AofError) in try Self.translating(path) { try database.unsafeRead(body) } }
  }

  func write<Result>(_ body: (Database) throws -> Result) throws(AofError) -> Result {
    try whileOpen { () throws(AofError) in try Self.translating(path) { try database.write(body) } }
  }

  /// Runs `body` outside of a transaction.
  func whileOpen(_ body: (Database) throws -> Void) throws(AofError) {
    try whileOpen { () throws(AofError) in
      try Self.translating(path) { try database.writeWithoutTransaction(body) }
    }
  }

  private func whileOpen<Result>(_ body: () throws(AofError) -> Result) throws(AofError) -> Result {
    try use.withLock { use throws(AofError) in
      if use.isClosed { throw AofError(.readOnly, "the store is closed") }
      use.users += 1
    }
    defer { use.change { $0.users -= 1 } }
    return try body()
  }

  /// Runs `body`, and says SQLite's errors in the project's words.
  static func translating<Result>(_ path: String, _ body: () throws -> Result) throws(AofError) -> Result {
    do {
      return try body()
    } catch let error as AofError where error.code == .newerVersion && !error.message.contains(path) {
      // A part of the manifest with a version of its own; the reader wants to know whose part.
      throw AofError(.newerVersion, "the manifest \(path): \(error.message)", remedy: "use a newer aofs")
    } catch let error as AofError {
      throw error
    } catch let error as ImpossibleContent {
      throw damaged(path, error.reason)
    } catch let error as RowDecodingError {
      throw damaged(path, error.description)
    } catch let error as DatabaseError {
      let reason = error.message ?? "SQLite error \(error.resultCode.rawValue)"
      switch error.resultCode {
      case .SQLITE_NOTADB, .SQLITE_CORRUPT: throw damaged(path, reason)
      // The schema was read, and is not the one of the version that the database states.
      case .SQLITE_ERROR where Self.schemaFaults.contains(where: reason.hasPrefix): throw damaged(path, reason)
      case .SQLITE_FULL: throw AofError(.noSpace, "no space to write the manifest \(path)")
      case .SQLITE_READONLY: throw AofError(.readOnly, "the manifest \(path) cannot be written: \(reason)")
      case .SQLITE_CONSTRAINT: throw AofError(.alreadyExists, "the manifest has that entry already: \(reason)")
      case .SQLITE_BUSY, .SQLITE_LOCKED: throw AofError(.busy, "another program keeps the manifest \(path) locked")
      default: throw AofError(.localFailure, "the manifest \(path): \(reason)")
      }
    } catch {
      throw AofError(.localFailure, "the manifest \(path): \(error)")
    }
  }

  private static let schemaFaults = ["no such", "foreign key mismatch", "unsupported file format"]

  private static func damaged(_ path: String, _ reason: String) -> AofError {
    AofError(
      .corrupt, "the manifest \(path) is damaged: \(reason)",
      remedy: "keep a copy of it and of the files beside it, and restore the manifest from a backup")
  }
}

/// What a row of the manifest says and no version of aofs ever wrote. Becomes `corrupt`, with the file's name.
struct ImpossibleContent: Error {
  let reason: String

  /// Runs `body` on content of the manifest: what it refuses is impossible content.
  static func from<Result>(_ what: String, _ body: () throws(AofError) -> Result) throws -> Result {
    do throws(AofError) {
      return try body()
    } catch {
      if error.code == .newerVersion { throw error }
      throw ImpossibleContent(reason: "\(what): \(error.message)")
    }
  }
}
