import AOFControl
import AOFSystem
import Logging

/// Where the program's messages go: to standard error, one line each, as a person or as systemd's journal reads them.
enum ServiceLog {
  /// Call it once, before anything logs.
  static func start(_ level: Logger.Level) {
    let isJournal = JournalStream.isStandardError
    LoggingSystem.bootstrap { label in
      guard isJournal else {
        var handler = StreamLogHandler.standardError(label: label)
        handler.logLevel = level
        return handler
      }
      return JournalLogHandler(logLevel: level)
    }
  }
}

/// Lines for the journal: with the priority in front, and without the time, which the journal has.
struct JournalLogHandler: LogHandler {
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let metadata = metadata.merging(event.metadata ?? [:]) { $1 }
    Output.complain(Self.line(event.level, "\(event.message)", metadata))
  }

  /// A message of several lines gets the priority on each: the journal takes each for a message.
  static func line(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
    let extra = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    let lines = (message + extra).split(whereSeparator: \.isNewline)
    return lines.map { "<\(level.priority)>\($0)\n" }.joined()
  }
}

extension Logger.Level {
  /// As syslog(3) has them.
  var priority: Int {
    switch self {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }
}
