import AOFCore
import GRDB

/// A directory that the remote's manifest lacks, has otherwise, or has still.
package struct ChangedDirectory: Hashable, Sendable {
  package let id: NodeID
  /// Counts what the remote's manifest was not told of yet.
  let changes: Int64
}

extension Manifest {
  /// The directories of which the remote must learn something, whether they are there or gone.
  package func changedDirectories() throws(AofError) -> [ChangedDirectory] {
    try read { try Row.fetchAll($0, sql: "SELECT * FROM changed_directories ORDER BY directory").map(Self.changedDirectory) }
  }

  static func changedDirectory(_ row: Row) throws -> ChangedDirectory {
    ChangedDirectory(id: NodeID(rawValue: try row.natural("directory")), changes: try row.checked("changes"))
  }

  /// Whether the remote is to be told of directories, or of logs that are gone.
  package func hasUnpublishedNames() throws(AofError) -> Bool {
    try read { database in
      try Bool.fetchOne(
        database,
        sql: """
          SELECT EXISTS (SELECT * FROM changed_directories) OR EXISTS (SELECT * FROM purged_logs WHERE is_published = 0)
          """) ?? false
    }
  }

  /// The remote's manifest has these as they were when it was asked for them.
  static func recordPublished(_ directories: [ChangedDirectory], _ database: Database) throws {
    for directory in directories {
      try database.execute(
        sql: "DELETE FROM changed_directories WHERE directory = ? AND changes = ?",
        arguments: [Int64(directory.id.rawValue), directory.changes])
    }
  }

  // MARK: Noting changes

  /// The remote's manifest has an older name, head or generation of the log, or older attributes.
  static func noteStale(_ log: LogID, _ database: Database) throws {
    try database.execute(
      sql: "UPDATE logs SET remote_stale = remote_stale + 1 WHERE id = ?", arguments: [Int64(log.rawValue)])
  }

  /// The remote's manifest has other attributes of the node.
  static func noteAttributes(of id: NodeID, _ database: Database) throws {
    try noteStale(id, database)
    if database.changesCount == 0 { try noteChange(of: id, database) }
  }

  /// The remote's manifest is not as the directory is.
  static func noteChange(of directory: NodeID, _ database: Database) throws {
    try database.execute(
      sql: "INSERT INTO changed_directories VALUES (?, 1) \(anotherChange)", arguments: [Int64(directory.rawValue)])
  }

  /// The remote's manifest has another path of the node, and of all that lies below it.
  static func noteMove(of id: NodeID, _ database: Database) throws {
    let arguments: StatementArguments = [Int64(id.rawValue)]
    let below = """
      WITH RECURSIVE below (id, kind) AS (
        SELECT id, kind FROM nodes WHERE id = ?
        UNION SELECT nodes.id, nodes.kind FROM nodes JOIN below ON nodes.parent = below.id
      )
      """
    try database.execute(
      sql: """
        \(below) INSERT INTO changed_directories
        SELECT id, 1 FROM below WHERE kind = \(NodeKind.directory.rawValue) \(anotherChange)
        """,
      arguments: arguments)
    try database.execute(
      sql: "\(below) UPDATE logs SET remote_stale = remote_stale + 1 WHERE id IN (SELECT id FROM below)",
      arguments: arguments)
  }

  /// Of a store that was never published every name is news.
  static func noteAllNames(_ database: Database) throws {
    try database.execute(
      sql: """
        INSERT INTO changed_directories SELECT id, 1 FROM nodes WHERE kind = \(NodeKind.directory.rawValue) \(anotherChange)
        """)
    try database.execute(sql: "UPDATE logs SET remote_stale = remote_stale + 1")
  }

  private static let anotherChange = "ON CONFLICT (directory) DO UPDATE SET changes = changes + 1"
}
