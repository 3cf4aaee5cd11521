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

  private init(path: String, database: DatabaseQueue) {
    self.path = path
    self.database = database
  }

  /// Creates the manifest of a new store. - Throws: `alreadyExists`; local failures.
  package static func create(_ path: String, settings: StoreSettings, root: NodeRecord) throws(AofError) -> Manifest {
    guard !FileManager.default.fileExists(atPath: path) else {
      throw AofError(.alreadyExists, "\(path) exists")
    }
    let manifest = try connect(path)
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
    let manifest = try connect(path)
    try manifest.checkVersion()
    return manifest
  }

  private static func connect(_ path: String) throws(AofError) -> Manifest {
    var configuration = Configuration()
    configuration.label = "aofs manifest"
    // Another process can only be reading along (a backup); wait for it rather than fail.
    configuration.busyMode = .timeout(10)
    configuration.prepareDatabase { database in
      try database.execute(sql: "PRAGMA journal_mode = WAL")
      try database.execute(sql: "PRAGMA synchronous = FULL")
      try database.execute(sql: "PRAGMA trusted_schema = OFF")
    }
    return try translating(path) {
      Manifest(path: path, database: try DatabaseQueue(path: path, configuration: configuration))
    }
  }

  private func checkVersion() throws(AofError) {
    let (application, version) = try read { database in
      (
        try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0,
        try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
      )
    }
    guard application == Self.applicationID else {
      throw AofError(
        .notAStore, "\(path) is a database, but not a manifest of aofs",
        remedy: "name the directory that 'aofs mount' created")
    }
    guard version <= Self.version else {
      throw AofError(
        .newerVersion, "\(path) has manifest version \(version), and this aofs reads up to \(Self.version)",
        remedy: "use a newer aofs")
    }
    guard version == Self.version else {
      throw AofError(.corrupt, "\(path) has the impossible manifest version \(version)")
    }
  }

  /// Checks the database's own structure. Reads all of it.
  /// - Returns: one line for each problem; empty if it is sound.
  package func integrityProblems() throws(AofError) -> [String] {
    try read { try String.fetchAll($0, sql: "PRAGMA integrity_check(20)") }.filter { $0 != "ok" }
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

  func write<Result>(_ body: (Database) throws -> Result) throws(AofError) -> Result {
    try whileOpen { () throws(AofError) in try Self.translating(path) { try database.write(body) } }
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
  private static func translating<Result>(_ path: String, _ body: () throws -> Result) throws(AofError) -> Result {
    do {
      return try body()
    } catch let error as AofError {
      throw error
    } catch let error as DatabaseError {
      let reason = error.message ?? "SQLite error \(error.resultCode.rawValue)"
      switch error.resultCode {
      case .SQLITE_NOTADB, .SQLITE_CORRUPT:
        throw AofError(
          .corrupt, "the manifest \(path) is damaged: \(reason)",
          remedy: "keep a copy of it and of the files beside it, and restore the manifest from a backup")
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
}
