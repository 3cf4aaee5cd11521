import AOFControl
import AOFCore
import AOFEngine
import AOFSystem
import ArgumentParser

struct RecoverCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recover", abstract: "Make a store anew whose manifest is damaged or lost, or of which only the remote is left.",
    discussion: """
      Takes what can be proven: what the remote holds, what is left of the manifest, and the WAL. What nothing proves is \
      kept in STORE/evidence and told. The old manifest is kept beside the new one. Other copies of the store can publish \
      nothing any more. A store whose manifest is sound stays as it is.
      """)

  @Argument(help: ArgumentHelp("The store, or with --remote where to make it.", valueName: "store")) var store: String
  @Option(help: ArgumentHelp("Where the store's remote is: dir:PATH or s3://BUCKET/PREFIX.", valueName: "remote"))
  var remote: String?
  @OptionGroup(title: "Options of S3 remotes") var s3: S3Options
  @Option(help: ArgumentHelp("Make the store there, and leave the damaged one alone.", valueName: "store"))
  var into: String?
  @Option(help: ArgumentHelp("Where 'aofs mount --wal-dir' put the WAL.", valueName: "directory")) var walDir: String?
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    FileFacts.createOnlyForOwner()
    var options = RecoverOptions()
    var list = MountOptionList()
    try list.add(.remote, remote)
    try s3.add(to: &list)
    options.remote = try RemoteArgument.text(list)
    options.into = into
    options.walDirectory = walDir
    let report = try StoreOpening.whenReleased(store) { () throws(AofError) in try AofManager.recover(store, options) }
    try Output.show(report.text)
  }
}

extension RecoverReport {
  fileprivate var text: String {
    if wasSound { return "\(store): the manifest is sound, and nothing was changed\n" }
    var text = notes.map { "note: \($0)\n" }.joined()
    for log in logs {
      text += "\(ControlQuoting.readable(log.path.bytes)): LSN \(log.head)-\(log.tail), on the remote up to \(log.remote)\n"
    }
    if let oldManifest { text += "the old manifest is kept as \(oldManifest)\n" }
    return text + "\(store): recovered \(logs.count) logs\n"
  }
}
