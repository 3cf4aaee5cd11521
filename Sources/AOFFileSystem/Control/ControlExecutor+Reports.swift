import AOFControl
import AOFCore
import AOFEngine

/// What the files of `.ctl` show. All of it blocks on the local disk at most.
extension ControlExecutor {
  /// `.ctl/status`.
  package func statusText() -> String { shown { () throws(AofError) in try storeStatus().text } }

  /// `.ctl/status.json`.
  package func statusJSON() -> String {
    shown { () throws(AofError) in ReportJSON.text(try storeStatus()) }
  }

  /// `.ctl/logs/NAME/status`.
  package func logStatusText(_ id: LogID) -> String {
    shown { () throws(AofError) in
      try logs(.unnamed, id).map { status(of: $0).text }.joined()
    }
  }

  /// `.ctl/logs/NAME/chunks`: every sealed extent, and the tail last.
  package func chunksTable(_ id: LogID) -> String {
    shown { () throws(AofError) in
      let log = try manager.log(id)
      var table = TextTable([
        ("CHUNK", .right), ("FROM", .right), ("TO", .right), ("LOCAL", .left), ("SEALED", .left),
        ("OBJECT BYTES", .right), ("OBJECT", .left),
      ])
      for extent in try log.extents() {
        table.add([
          "\(extent.chunk)", "\(extent.range.lowerBound)", "\(extent.range.upperBound)",
          extent.residency.rawValue, extent.sealedAt.rfc3339,
          extent.object.map { String($0.size.rawValue) } ?? "-", extent.object?.key ?? "-",
        ])
      }
      let marks = log.watermarks
      if marks.tail > marks.sealed {
        table.add([
          "\(ChunkID.tail)", "\(marks.sealed)", "\(marks.tail)", ChunkResidency.resident.rawValue, "-", "-",
          "-",
        ])
      }
      return table.text
    }
  }

  /// The store's status with each log's.
  package func storeStatus() throws(AofError) -> StoreStatus {
    let settings = manager.settings
    return StoreStatus(
      store: manager.path, storeID: settings.storeID, chunkSize: settings.chunkSize.byteCount.rawValue,
      cacheSize: settings.cacheSize.rawValue, trashAge: settings.trashAge.seconds, remote: settings.remote,
      walDirectory: settings.walDirectory, logs: try everyLog().map(status),
      walFailures: manager.walFailures.map { "\($0)" }, running: running.report,
      incidents: manager.incidents.map { "\($0.time.rfc3339) \($0.message)" })
  }

  func status(of named: NamedLog) -> LogStatus {
    let log = named.log
    let marks = log.watermarks
    return LogStatus(
      path: ReportedPath(named.path), id: log.id.rawValue, chunkSize: log.chunkSize.byteCount.rawValue,
      generation: log.generation.rawValue, headLSN: marks.head.rawValue, remoteLSN: marks.remote.rawValue,
      sealedLSN: marks.sealed.rawValue, durableLSN: marks.durable.rawValue, tailLSN: marks.tail.rawValue,
      localBytes: log.localBytes.rawValue, modified: log.modificationTime.rfc3339,
      failure: log.failure.map { "\($0)" })
  }

  /// A report, or in its place what kept it from being made.
  private func shown(_ report: () throws(AofError) -> String) -> String {
    do throws(AofError) { return try report() } catch { return ControlAnswer.line(error) }
  }
}
