import AOFControl
import AOFCore
import ArgumentParser

private let timeoutHelp = ArgumentHelp(
  "How long readers of what goes are waited for, as 500ms or 2m; 30s by default.", valueName: "time")

/// A time on its way into the line of a command.
enum TimeoutArgument {
  /// - Throws: `invalidArgument` for what is no time: it could be more than one word, or line.
  static func checked(_ text: String) throws(AofError) -> String {
    _ = try Duration(parsing: text)
    return text
  }
}

/// Runs a verb that takes a log and an LSN.
private func truncate(_ log: String, _ verb: ControlVerb, _ lsn: LSNArgument, _ timeout: String?) throws {
  let target = try oneLog(log)
  let arguments = try ["\(lsn.lsn)"] + (timeout.map { ["timeout=\(try TimeoutArgument.checked($0))"] } ?? [])
  try VerbRunner(verb: verb, arguments: arguments).run(target)
}

struct TrimCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trim", abstract: "Forget what lies below an LSN, for good.",
    discussion: """
      The log begins at the LSN then, rounded down to a multiple of \(Limits.trimUnit). The remote forgets it with the \
      next checkpoint.
      """)

  @Argument(help: logHelp) var log: String
  @Argument(help: ArgumentHelp("The first LSN to keep.", valueName: "lsn")) var lsn: LSNArgument
  @Option(help: timeoutHelp) var timeout: String?
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    try truncate(log, .trim, lsn, timeout)
  }
}

struct TruncateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "truncate", abstract: "Forget what lies at and after an LSN, for good.",
    discussion: "The log ends at the LSN then, and other bytes may follow: a new generation of the log begins.")

  @Argument(help: logHelp) var log: String
  @Argument(help: ArgumentHelp("The first LSN to forget.", valueName: "lsn")) var lsn: LSNArgument
  @Option(help: timeoutHelp) var timeout: String?
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    try truncate(log, .truncate, lsn, timeout)
  }
}
