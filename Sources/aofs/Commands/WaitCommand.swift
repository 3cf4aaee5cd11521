import AOFControl
import AOFCore
import ArgumentParser

struct WaitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wait", abstract: "Wait until everything below an LSN is durable, or on the remote.",
    discussion: "Waits for others to sync or checkpoint the log, and does neither itself. Ends with 75 when the time is up.")

  @Argument(help: logHelp) var log: String
  @Option(help: ArgumentHelp("Wait for the durable LSN.", valueName: "lsn")) var durable: LSNArgument?
  @Option(help: ArgumentHelp("Wait for the remote LSN.", valueName: "lsn")) var remote: LSNArgument?
  @Option(help: ArgumentHelp("How long to wait, as 500ms or 2m; 30s by default.", valueName: "time")) var timeout: String?
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard (durable == nil) != (remote == nil) else { throw ValidationError("Give one of --durable and --remote.") }
  }

  func run() throws {
    common.startLogging()
    let marks = [durable.map { "durable=\($0.lsn)" }, remote.map { "remote=\($0.lsn)" }]
    let target = try oneLog(log)
    var arguments = marks.compactMap(\.self)
    if let timeout {
      arguments.append("timeout=\(try TimeoutArgument.checked(timeout))")
    } else if case .store = target {
      // Nobody else can sync or checkpoint a store that this command has open.
      arguments.append("timeout=0")
    }
    try VerbRunner(verb: .wait, arguments: arguments).run(target)
  }
}
