import AOFCore
import Foundation

/// Reports -> JSON, with sorted keys and a newline at the end.
package enum ReportJSON {
  package static func text(_ report: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(report), as: UTF8.self) + "\n"
    } catch {
      // Reports hold text and whole numbers only, for which encoding has no way to fail.
      return "{\"error\":\"the report cannot be written as JSON\"}\n"
    }
  }

  /// - Throws: `invalidArgument` if the text is no store status.
  package static func storeStatus(_ bytes: [UInt8]) throws(AofError) -> StoreStatus {
    do {
      return try JSONDecoder().decode(StoreStatus.self, from: Data(bytes))
    } catch {
      throw AofError(
        .invalidArgument, "the status of the mount cannot be read",
        remedy: "use the same version of aofs for the mount and the command")
    }
  }
}

extension StoreStatus {
  /// The settings, then a table of the logs.
  package var text: String {
    """
    store       \(ControlQuoting.readable(Array(store.utf8)))
    store id    \(storeID)
    remote      \(remote)
    wal dir     \(walDirectory)
    chunk size  \(ByteCount(rawValue: chunkSize))
    cache size  \(ByteCount(rawValue: cacheSize)), \(localBytes) B in use by logs
    trash age   \((try? TrashAge(seconds: trashAge)).map { "\($0)" } ?? "\(trashAge)s")
    logs        \(logs.count)

    """ + (logs.isEmpty ? "" : "\n" + logTable) + sections
  }

  /// What is out of the ordinary: each with its reason, and only where there is something to tell.
  private var sections: String {
    let readOnly = logs.compactMap { log in log.failure.map { "\(log.name): \($0)" } }
    return section("write-ahead logs that failed", walFailures ?? [])
      + section("logs that take no appends", readOnly)
      + section("commands under way", running?.map(\.text) ?? [])
      + section("incidents since the store was opened", incidents ?? [])
  }

  private func section(_ title: String, _ lines: [String]) -> String {
    guard !lines.isEmpty else { return "" }
    return "\n\(title)\n" + lines.map { "  \(ControlQuoting.line($0))\n" }.joined()
  }

  private var localBytes: UInt64 { logs.reduce(0) { $0 &+ $1.localBytes } }

  private var logTable: String {
    var table = TextTable([
      ("HEAD", .right), ("REMOTE", .right), ("SEALED", .right), ("DURABLE", .right), ("TAIL", .right),
      ("LOCAL", .right), ("CHUNK", .right), ("LOG", .left),
    ])
    for log in logs {
      table.add(
        [log.headLSN, log.remoteLSN, log.sealedLSN, log.durableLSN, log.tailLSN, log.localBytes].map(
          String.init)
          + ["\(ByteCount(rawValue: log.chunkSize))", log.label])
    }
    return table.text
  }

  /// The listing of `aofs ls`.
  package var listing: String {
    var table = TextTable([
      ("BYTES", .right), ("LOCAL", .right), ("CHUNK", .right), ("MODIFIED", .left), ("LOG", .left),
    ])
    for log in logs {
      table.add([
        String(log.tailLSN - min(log.headLSN, log.tailLSN)), String(log.localBytes),
        "\(ByteCount(rawValue: log.chunkSize))", log.modified, log.label,
      ])
    }
    return logs.isEmpty ? "" : table.text
  }
}

extension LogStatus {
  fileprivate var name: String { ControlQuoting.readable(path.bytes) }

  fileprivate var label: String { name + (failure == nil ? "" : " (read-only)") }

  package var text: String {
    """
    log          \(ControlQuoting.readable(path.bytes))
    id           \(id)
    chunk size   \(ByteCount(rawValue: chunkSize))
    generation   \(generation)
    head LSN     \(headLSN)
    remote LSN   \(remoteLSN)
    sealed LSN   \(sealedLSN)
    durable LSN  \(durableLSN)
    tail LSN     \(tailLSN)
    local        \(localBytes) B
    modified     \(modified)

    """ + (failure.map { "read-only    \($0)\n" } ?? "")
  }
}

extension RunningCommand {
  fileprivate var text: String {
    guard let doneBytes, let totalBytes else { return "\(command), since \(since)" }
    let share = totalBytes == 0 ? 100 : Int(Double(doneBytes) / Double(totalBytes) * 100)
    return "\(command), since \(since): \(doneBytes) of \(totalBytes) bytes (\(share) %)"
  }
}
