import AOFControl
import AOFCore
import AOFSystem
import ArgumentParser

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "ls", abstract: "List logs.")

  @Argument(
    help: ArgumentHelp(
      "A MOUNTPOINT, a directory or log below one, STORE, or STORE:NAME.", valueName: "where"))
  var place: String
  @Flag(help: "Answer in JSON.") var json = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    let target = try Target(place)
    var status = try StoreAccess.with(target) { store throws(AofError) in try store.status() }
    if let directory = VerbRunner.log(of: target) {
      status.logs = status.logs(in: directory)
      // A directory without logs is no mistake; a name that does not exist is.
      if status.logs.isEmpty { try check(target, place) }
    }
    try Output.show(json ? ReportJSON.text(status.logs) : status.listing)
  }

  private func check(_ target: Target, _ place: String) throws(AofError) {
    if case .mounted = target {
      _ = try FileFacts(of: place)
    } else {
      throw AofError(.notFound, "no log is called or lies below '\(place)'", remedy: "see 'aofs ls STORE'")
    }
  }
}

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show a store's settings and the watermarks of its logs.")

  @Argument(
    help: ArgumentHelp("A path under a mount, STORE:NAME, or a whole MOUNTPOINT or STORE.", valueName: "log"))
  var place: String
  @Flag(help: "Answer in JSON.") var json = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    let target = try Target(place)
    let status = try StoreAccess.with(target) { store throws(AofError) in try store.status() }
    guard let path = VerbRunner.log(of: target) else {
      return try Output.show(json ? ReportJSON.text(status) : status.text)
    }
    guard let log = status.logs.first(where: { $0.path.bytes == path.bytes }) else {
      throw AofError(
        .notFound, "no log is called '\(place)'", remedy: "see 'aofs ls' for those that there are")
    }
    try Output.show(json ? ReportJSON.text(log) : log.text)
  }
}

extension StoreStatus {
  /// The log of that name, or those below the directory of that name.
  fileprivate func logs(in path: LogPath) -> [LogStatus] {
    let directory = path.bytes + [UInt8(ascii: "/")]
    return logs.filter { $0.path.bytes == path.bytes || $0.path.bytes.starts(with: directory) }
  }
}
