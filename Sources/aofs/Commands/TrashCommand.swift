import AOFControl
import AOFCore
import ArgumentParser

private let placeHelp = ArgumentHelp("A MOUNTPOINT, or a STORE that is not mounted.", valueName: "store")

/// A path below the top of the store, on the command line.
private func path(_ text: String) throws(AofError) -> [UInt8] {
  let path = try LogPath(text)
  guard !path.names.isEmpty else { throw AofError(.invalidArgument, "an empty name", remedy: "name a log") }
  return ControlQuoting.quoted(path.bytes)
}

/// Sends a verb that is about the trash to the store of a target.
private func run(_ verb: ControlVerb, _ arguments: [[UInt8]], _ place: String, isReport: Bool = false) throws {
  let target = try Target(place)
  guard VerbRunner.log(of: target) == nil else {
    throw AofError(.invalidArgument, "'\(place)' is in a store, and not the top of one", remedy: "name the store")
  }
  let line = ([Array(verb.rawValue.utf8)] + arguments).joined(separator: [UInt8(ascii: " ")])
  try VerbRunner.run(Array(line) + [UInt8(ascii: "\n")], target, isReport: isReport)
}

struct TrashCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trash", abstract: "List, restore or purge deleted logs.",
    discussion: """
      A log that is deleted, or replaced by a rename, can be had back until the trash age of the store has passed \
      ('aofs mount --trash-age').
      """,
    subcommands: [TrashListCommand.self, TrashRestoreCommand.self, TrashPurgeCommand.self])
}

struct TrashListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "ls", abstract: "List the logs in the trash.")

  @Argument(help: placeHelp) var store: String
  @Flag(help: "Answer in JSON.") var json = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    try aofs.run(.trash, json ? [Array("format=json".utf8)] : [], store, isReport: true)
  }
}

struct TrashRestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Bring a log back from the trash.",
    discussion: "Directories that are gone are made again. Of several logs of one name the one that was deleted last is meant.")

  @Argument(help: placeHelp) var store: String
  @Argument(help: ArgumentHelp("The path that it had, from the top of the store.", valueName: "log")) var log: String?
  @Option(help: ArgumentHelp("Its id, in the place of its path.", valueName: "id")) var id: UInt64?
  @Option(help: ArgumentHelp("The path that it gets; by default the one that it had.", valueName: "path")) var to: String?
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if (log == nil) == (id == nil) { throw ValidationError("Name the log by its path or by --id.") }
  }

  func run() throws {
    common.startLogging()
    var arguments = try log.map { [try path($0)] } ?? []
    if let id { arguments.append(Array("id=\(id)".utf8)) }
    if let to { arguments.append(try path(to)) }
    try aofs.run(.restore, arguments, store)
  }
}

struct TrashPurgeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "purge", abstract: "Forget logs in the trash, for good.",
    discussion: "Returns when their bytes are gone, from the local disk and from the remote.")

  @Argument(help: placeHelp) var store: String
  @Argument(help: ArgumentHelp("The path that it had, from the top of the store.", valueName: "log")) var log: String?
  @Option(help: ArgumentHelp("Its id, in the place of its path.", valueName: "id")) var id: UInt64?
  @Flag(help: "Those that have been there for longer than the trash age.") var expired = false
  @Flag(help: "All that are there.") var all = false
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if [log != nil, id != nil, expired, all].count(where: { $0 }) != 1 {
      throw ValidationError("Say what is to go: a path, --id, --expired or --all.")
    }
  }

  func run() throws {
    common.startLogging()
    var arguments = try log.map { [try path($0)] } ?? []
    if let id { arguments.append(Array("id=\(id)".utf8)) }
    if expired { arguments.append(Array("expired=yes".utf8)) }
    if all { arguments.append(Array("all=yes".utf8)) }
    try aofs.run(.purge, arguments, store)
  }
}
