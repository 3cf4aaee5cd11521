import AOFCore
import AOFEngine
import AOFSystem
import ArgumentParser

struct UpgradeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "upgrade", abstract: "Bring a store of an earlier version to the current one.",
    discussion: "A copy of the manifest as it was stays beside it. A store of a later version is refused.")

  @Argument(help: ArgumentHelp("A store that is not mounted.", valueName: "store")) var store: String
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    FileFacts.createOnlyForOwner()
    let report = try StoreOpening.whenReleased(store) { () throws(AofError) in try AofManager.upgrade(store) }
    guard let backup = report.backup else {
      return try Output.show("\(report.store): is of the current version, \(report.version)\n")
    }
    try Output.show(
      "\(report.store): was brought from version \(report.oldVersion) to \(report.version); the manifest as it was is kept "
        + "as \(backup)\n")
  }
}
