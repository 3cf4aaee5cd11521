import AOFControl
import AOFCore
import AOFEngine

/// The verbs of the trash.
extension ControlExecutor {
  func trash(_ format: ControlCommand.Format) throws(AofError) -> ControlAnswer {
    let logs = try manager.trash().map(TrashedLogStatus.init)
    return ControlAnswer(text: format == .json ? ReportJSON.text(logs) : TrashedLogStatus.listing(logs), error: nil)
  }

  func restore(_ target: ControlCommand.TrashedTarget, as path: LogPath?) throws(AofError) -> ControlAnswer {
    let log = try find(target).last
    guard let log else { throw Self.notFound(target) }
    if let first = (path ?? log.path).names.first, FileSystem.isControlDirectory(first.bytes, in: .root) {
      throw .controlDirectory
    }
    try manager.restoreLog(log.id, as: path)
    return ControlAnswer(text: "\(ControlQuoting.readable((path ?? log.path).bytes)): restored, log \(log.id)\n", error: nil)
  }

  func purge(_ target: ControlCommand.PurgeTarget) throws(AofError) -> ControlAnswer {
    let logs: [LogID]
    switch target {
    case .all: logs = try manager.trash().map(\.id)
    case .expired: logs = manager.expiredLogs()
    case .log(let wanted):
      let found = try find(wanted)
      guard let log = found.last else { throw Self.notFound(wanted) }
      guard found.count == 1 else {
        throw AofError(
          .invalidArgument, "\(found.count) logs of that name are in the trash",
          remedy: "name one by its id: \(found.map { "id=\($0.id)" }.joined(separator: ", "))")
      }
      logs = [log.id]
    }
    let wanted = Set(logs)
    let before = try manager.trash().filter { wanted.contains($0.id) }
    var failure: AofError?
    do throws(AofError) { try manager.purge(logs) } catch { failure = error }
    let left = Set(try manager.trash().map(\.id))
    var text = ""
    for log in before where !left.contains(log.id) {
      text += "\(ControlQuoting.readable(log.path.bytes)): purged, log \(log.id)\n"
    }
    if let failure { return ControlAnswer(text: text + "error: \(failure)\n", error: failure) }
    if logs.isEmpty { text = "nothing to purge\n" } else { text += versioningNote }
    return ControlAnswer(text: text, error: nil)
  }

  /// What deleting objects may leave behind.
  private var versioningNote: String {
    manager.settings.remote.hasPrefix("dir:")
      ? "" : "a bucket with versioning keeps deleted objects until its lifecycle rules expire old versions\n"
  }

  /// In the order in which they were deleted.
  private func find(_ target: ControlCommand.TrashedTarget) throws(AofError) -> [TrashedLog] {
    try manager.trash().filter { log in
      switch target {
      case .path(let path): log.path == path
      case .id(let id): log.id == id
      }
    }
  }

  private static func notFound(_ target: ControlCommand.TrashedTarget) -> AofError {
    let name =
      switch target {
      case .path(let path): ControlQuoting.readable(path.bytes)
      case .id(let id): "log \(id)"
      }
    return AofError(.notFound, "\(name) is not in the trash", remedy: "'trash' lists what is")
  }
}

extension TrashedLogStatus {
  fileprivate init(_ log: TrashedLog) {
    self.init(
      id: log.id.rawValue, path: ReportedPath(log.path), bytes: log.size.rawValue, deleted: log.deletedAt.rfc3339,
      purged: log.purgedFrom.rfc3339)
  }
}
