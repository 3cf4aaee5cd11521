import AOFControl
import AOFCore
import AOFEngine
import ArgumentParser

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check a store, or one log, for damage.",
    discussion: """
      Of a store that is not mounted everything is checked, and nothing changed: its manifest, its WAL before that is \
      recovered, every frame on the local disk, and files that nothing names. Of a mounted one the manifest and every \
      sealed frame. Ends with \(AofsExitCode.inputOutput.rawValue) if anything is damaged.
      """)

  @Argument(
    help: ArgumentHelp("A path under a mount, STORE:NAME, or a whole MOUNTPOINT or STORE.", valueName: "log"))
  var log: String
  @Flag(help: "Fetch and check every object of the remote, and its chain, too.") var remote = false
  @Flag(help: "Repair what can be repaired without losing anything; the store must not be mounted.") var repair = false
  @Flag(help: "Answer in JSON.") var json = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    let target = try Target(log)
    switch target {
    case .mounted(let store, _):
      guard !repair else {
        throw AofError(
          .busy, "'\(log)' is in a store that is mounted on \(store.mountPoint)", remedy: "unmount it to repair it")
      }
      let arguments = (remote ? ["remote=yes"] : []) + (json ? ["format=json"] : [])
      try VerbRunner(verb: .verify, arguments: arguments).run(target, isReport: true)
    case .store(let path, let name): try verify(path, name)
    }
  }

  private func verify(_ path: String, _ name: LogPath?) throws {
    var options = VerifyOptions()
    options.log = name
    options.remote = remote
    options.repair = repair
    let report = try StoreOpening.whenReleased(path) { () throws(AofError) in try AofManager.verify(path, options) }
    let result = VerifyResult(report)
    try Output.show(json ? ReportJSON.text(result) : result.text)
    if !report.isGood { throw ArgumentParser.ExitCode(AofsExitCode.inputOutput.rawValue) }
  }
}

extension VerifyResult {
  fileprivate init(_ report: StoreReport) {
    self.init(
      logs: report.logs.map { log in
        LogVerification(
          path: ReportedPath(log.path), framesChecked: log.report.framesChecked,
          objectsChecked: log.report.objectsChecked, problems: log.report.problems, failure: nil)
      }, problems: report.problems, notes: report.notes, repaired: report.repaired, left: report.left)
  }
}
