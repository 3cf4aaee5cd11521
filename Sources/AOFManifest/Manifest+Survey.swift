import AOFCore
import GRDB

/// All that can be read of a manifest, row by row, whatever other rows are like.
package struct ManifestSurvey: Sendable {
  package var settings: StoreSettings?
  package var counters: [String: UInt64] = [:]
  package var nodes: [NodeRecord] = []
  package var logs: [AofDescriptorRecord] = []
  package var walDirectories: [WalDirectoryRecord] = []
  package var trash: [TrashRecord] = []
  package var purged: [PurgedLog] = []
  package var changedDirectories: [ChangedDirectory] = []
  /// One line for each thing that cannot be read, or that no version wrote.
  package var problems: [String] = []

  package init() {}

  package var names: ManifestNames { ManifestNames(nodes: nodes, trash: trash, nextNode: counters[Manifest.nextNode]) }
}

extension Manifest {
  package static let nextNode = "next_node"
  package static let epochCounter = "epoch"
  package static let sequenceCounter = "remote_sequence"
  package static let snapshotCounter = "remote_snapshot"

  /// Reads every table but the extents. What is damaged is left out and reported.
  package func survey() -> ManifestSurvey {
    var survey = ManifestSurvey()
    do throws(AofError) { survey.settings = try settings() } catch { survey.problems.append(error.message) }
    for name in [Self.nextNode, Self.epochCounter, Self.sequenceCounter] {
      do throws(AofError) {
        survey.counters[name] = try read { try Self.counter(name, $0) }
      } catch {
        survey.problems.append(error.message)
      }
    }
    survey.nodes = rows("nodes", key: "id", Self.node, &survey.problems)
    survey.logs = rows("logs", key: "id", Self.log, &survey.problems)
    survey.trash = rows("trash", key: "log", Self.trashRecord, &survey.problems)
    survey.purged = rows("purged_logs", key: "log", Self.purgedLog, &survey.problems)
    survey.changedDirectories = rows("changed_directories", key: "directory", Self.changedDirectory, &survey.problems)
    survey.walDirectories = rows("wal_directories", key: "id", Self.walDirectory, &survey.problems)
    return survey
  }

  /// The extents of a log that can be read, in the order of their LSNs. What is damaged is left out and reported.
  package func surveyExtents(of log: LogID, _ problems: inout [String]) -> [AofChunkRecord] {
    rows("extents", key: "first_lsn", where: "log = \(Int64(clamping: log.rawValue))", Self.extent, &problems)
  }

  /// The ids of logs that have extents, whether or not there are such logs.
  package func logsWithExtents() throws(AofError) -> Set<LogID> {
    try read { Set(try Int64.fetchAll($0, sql: "SELECT DISTINCT log FROM extents").map { LogID(rawValue: UInt64(clamping: $0)) }) }
  }

  /// Reads a table from its start to the first page that cannot be read, then from its end to there.
  private func rows<Record>(
    _ table: String, key: String, where condition: String = "1", _ decode: @escaping (Row) throws -> Record,
    _ problems: inout [String]
  ) -> [Record] {
    let forward = rows("SELECT * FROM \(table) WHERE \(condition) ORDER BY \(key)", key, nil, decode)
    problems += forward.problems
    guard let failure = forward.failure else { return forward.records }
    let backward = rows(
      "SELECT * FROM \(table) WHERE \(condition) ORDER BY \(key) DESC", key, forward.last, decode)
    problems += [failure] + backward.problems.reversed()
    return forward.records + backward.records.reversed()
  }

  private struct Rows<Record> {
    var records: [Record] = []
    var problems: [String] = []
    /// The key of the last row that was read.
    var last: Int64?
    /// Why there are no more; nil at the end.
    var failure: String?
  }

  /// Stops at the row with the key `limit`, which was read before.
  private func rows<Record>(
    _ sql: String, _ key: String, _ limit: Int64?, _ decode: @escaping (Row) throws -> Record
  ) -> Rows<Record> {
    var rows = Rows<Record>()
    do throws(AofError) {
      try read { database in
        let cursor = try Row.fetchCursor(database, sql: sql)
        while let row = try cursor.next() {
          let place: Int64? = try? row.checked(key)
          if let limit, let place, place <= limit { return }
          rows.last = place ?? rows.last
          do {
            rows.records.append(try decode(row))
          } catch let error as DatabaseError {
            throw error
          } catch {
            rows.problems.append(Self.reason(error))
          }
        }
      }
    } catch {
      rows.failure = error.message
    }
    return rows
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case let error as ImpossibleContent: error.reason
    case let error as AofError: error.message
    case let error as RowDecodingError: error.description
    default: "\(error)"
    }
  }
}
