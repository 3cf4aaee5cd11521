import AOFControl
import AOFCore
import ArgumentParser

private let timeoutHelp = ArgumentHelp(
  "How long readers of what goes are waited for, as 500ms or 2m; 30s by default.", valueName: "time")

/// Runs a verb that takes a log and an LSN.
private func truncate(_ log: String, _ verb: ControlVerb, _ lsn: LSNArgument, _ timeout: String?) throws {
  let target = try oneLog(log)
  let arguments = ["\(lsn.lsn)"] + (timeout.map { ["timeout=\($0)"] } ?? [])
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
