import AOFCore
import AOFSystem
import GRDB

/// A check of the whole manifest beside the one that is in use: it reads through a connection of its own, so that no
/// transaction waits for it, and it can be ended at any time.
package final class ManifestCheck: Sendable {
  private struct State {
    var database: DatabaseQueue?
    var isCancelled = false
  }

  private let path: String
  private let state = Monitor(State())

  /// A check of the manifest at `path`, which is open.
  package init(_ path: String) { self.path = path }

  /// Checks SQLite's structures, and that rows that refer to others do so rightly. Reads all of the manifest.
  /// - Returns: one line for each problem; nil if the check was cancelled.
  /// - Throws: what kept the check from being made.
  package func run() throws(AofError) -> [String]? {
    var configuration = Configuration()
    configuration.label = "aofs manifest check"
    configuration.readonly = true
    configuration.busyMode = .timeout(10)
    let database = try Manifest.translating(path) { try DatabaseQueue(path: path, configuration: configuration) }
    let isCancelled = state.withLock { state in
      state.database = database
      return state.isCancelled
    }
    defer {
      state.change { $0.database = nil }
      // Nothing was written, so nothing can be lost.
      try? database.close()
    }
    if isCancelled { return nil }
    do throws(AofError) {
      return try Manifest.translating(path) { try database.read(Manifest.allProblems) }
    } catch {
      if state.withLock({ $0.isCancelled }) { return nil }
      if error.code == .corrupt { return [error.message] }
      throw error
    }
  }

  /// Ends ``run()``, now or when it begins. Waits until it has ended.
  package func cancel() {
    state.change { $0.isCancelled = true }
    var isOver: Void?
    while isOver == nil {
      // Between two statements there is nothing to interrupt.
      state.withLock { $0.database?.interrupt() }
      isOver = state.wait(atMost: 20) { $0.database == nil ? () : nil }
    }
  }
}

extension Manifest {
  /// Checks the database's own structure, and the rows that refer to others. Reads all of it.
  /// - Returns: one line for each problem; empty if it is sound.
  /// - Throws: `corrupt` if it is too damaged for that.
  package func integrityProblems() throws(AofError) -> [String] { try read(Self.allProblems) }

  fileprivate static func allProblems(_ database: Database) throws -> [String] {
    let structure = try String.fetchAll(database, sql: "PRAGMA integrity_check(20)").filter { $0 != "ok" }
    let references = try Row.fetchAll(database, sql: "PRAGMA foreign_key_check").prefix(20).map { row in
      let table: String = try row.checked("table")
      let parent: String = try row.checked("parent")
      let id: Int64? = try row.checked("rowid")
      return "a row of \(table)\(id.map { " (\($0))" } ?? "") refers to a row of \(parent) that is not there"
    }
    return structure + references
  }
}
