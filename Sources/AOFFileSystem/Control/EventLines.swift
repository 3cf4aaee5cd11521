import AOFControl
import AOFCore
import AOFEngine

/// Events as lines of JSON, docs/format/control-files.md.
enum EventLines {
  static func line(_ observed: ObservedEvent, in manager: AofManager) -> [UInt8] {
    var report = EventReport(name(observed.event))
    report.seq = observed.number
    report.time = observed.time.rfc3339WithMilliseconds
    fill(&report, observed.event, manager)
    return ReportJSON.line(report)
  }

  /// What a reader gets in the place of events that are kept no more.
  static func missed(_ count: UInt64) -> [UInt8] {
    var report = EventReport("missed")
    report.count = count
    return ReportJSON.line(report)
  }

  private static func name(_ event: EngineEvent) -> String {
    switch event {
    case .seal: "seal"
    case .checkpoint: "checkpoint"
    case .hydration: "hydration"
    case .eviction: "eviction"
    case .trim: "trim"
    case .truncation: "truncate"
    case .merger: "merge"
    case .tidying: "tidy"
    case .discard: "trash"
    case .restore: "restore"
    case .purge: "purge"
    case .incident: "error"
    case .mount: "mount"
    case .unmount: "unmount"
    }
  }

  private static func fill(_ report: inout EventReport, _ event: EngineEvent, _ manager: AofManager) {
    switch event {
    case .seal(let log, let range, let took):
      report.take(log, manager)
      report.take(range)
      report.seconds = took.inSeconds
    case .checkpoint(let checkpoint):
      report.logs = checkpoint.logs
      report.objects = checkpoint.objects
      report.bytes = checkpoint.bytes.rawValue
      report.seconds = checkpoint.took.inSeconds
      report.error = checkpoint.failure.map { "\($0)" }
    case .hydration(let log, let range, let took, let failure):
      report.take(log, manager)
      report.take(range)
      report.seconds = took.inSeconds
      report.error = failure.map { "\($0)" }
    case .eviction(let log, let bytes):
      report.take(log, manager)
      report.bytes = bytes.rawValue
    case .trim(let log, let lsn):
      report.take(log, manager)
      report.lsn = lsn.rawValue
    case .truncation(let log, let lsn, let generation):
      report.take(log, manager)
      report.lsn = lsn.rawValue
      report.generation = generation.rawValue
    case .merger(let log, let range, let parts):
      report.take(log, manager)
      report.take(range)
      report.extents = parts
    case .tidying(let tidying):
      report.orphans = tidying.orphans
      report.uploads = tidying.uploads
      report.deleted = tidying.deleted
    case .discard(let log, let path), .restore(let log, let path), .purge(let log, let path):
      report.id = log.rawValue
      report.log = ReportedPath(path)
    case .incident(let kind, let message, _):
      report.kind = kind.rawValue
      report.message = message
    case .mount(let point), .unmount(let point): report.mountPoint = point
    }
  }
}

extension EventReport {
  fileprivate mutating func take(_ log: LogID, _ manager: AofManager) {
    id = log.rawValue
    self.log = manager.path(of: log).map { ReportedPath($0) }
  }

  fileprivate mutating func take(_ range: Range<LSN>) {
    from = range.lowerBound.rawValue
    to = range.upperBound.rawValue
  }
}

extension Duration {
  /// For reports.
  var inSeconds: Double {
    let (seconds, rest) = components
    return Double(seconds) + Double(rest) / 1e18
  }
}
