import AOFControl
import AOFCore
import AOFRemote
import AOFSystem
import ArgumentParser
import Logging

struct MountCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mount", abstract: "Mount a store, creating it on first use.",
    discussion: """
      Returns when the mount answers, and leaves a daemon behind. 'fusermount3 -u MOUNTPOINT', 'umount' or \
      SIGTERM end it, with nothing lost. Settings are stored when the store is created; later mounts may \
      leave them out. Each long option is also an -o key_with_underscores=value.
      """)

  @Argument(help: ArgumentHelp("The directory that holds the store.", valueName: "store")) var store: String
  @Argument(help: ArgumentHelp("An empty directory.", valueName: "mountpoint")) var mountPoint: String

  @Option(
    help: ArgumentHelp(
      "Where checkpoints go: dir:PATH or s3://BUCKET/PREFIX (default: dir:STORE/remote).", valueName: "remote"))
  var remote: String?
  @OptionGroup(title: "Options of S3 remotes") var s3: S3Options
  @Option(
    help: ArgumentHelp(
      "The chunk size of new logs, a power of two from 128KiB to 4GiB (default: 64MiB).", valueName: "size"))
  var chunkSize: String?
  @Option(help: ArgumentHelp("The quota of the local cache (default: 10GiB).", valueName: "size"))
  var cacheSize: String?
  @Option(
    help: ArgumentHelp(
      "How long deleted logs can be restored: 7d, 12h, 30m, or 0 to purge them at once (default: 7d).", valueName: "time"))
  var trashAge: String?
  @Option(
    help: ArgumentHelp(
      "The memory that bytes from the remote may take on their way, from 4MiB (default: 128MiB).", valueName: "size"))
  var prefetchMemory: String?
  @Option(help: ArgumentHelp("Where the write-ahead log lies (default: STORE/wal).", valueName: "dir"))
  var walDir: String?
  @Option(
    help: ArgumentHelp(
      "How often logs with 1MiB of news are checkpointed; 0 for never (default: 60s).", valueName: "time"))
  var checkpointInterval: String?
  @Option(
    help: ArgumentHelp("How old any other news may get before it is checkpointed (default: 15m).", valueName: "time"))
  var checkpointMaxAge: String?
  @Flag(help: "Checkpoint everything before the mount ends; without the remote it ends all the same.")
  var checkpointOnUnmount = false
  @Option(
    help: ArgumentHelp(
      "How long objects of the remote are kept that its manifest names no more (default: 1d).", valueName: "time"))
  var remoteGrace: String?
  @Option(help: ArgumentHelp("zstd's level for what is uploaded, 1 to 22 (default: 3).", valueName: "level"))
  var compressionLevel: String?
  @Option(
    help: ArgumentHelp(
      "How long a mount in use may take to end before it is cut off (default: 10s).", valueName: "time"))
  var stopTimeout: String?
  @Option(help: ArgumentHelp("Where the daemon's messages go (default: nowhere).", valueName: "file"))
  var logFile: String?
  @Option(
    help: ArgumentHelp(
      "How much to log: trace, debug, info, notice, warning, error or critical (default: notice).",
      valueName: "level"))
  var logLevel: String?
  @Option(
    help: ArgumentHelp("Who may read .ctl/metrics, in octal: 0400, 0440, 0404 or 0444 (default: 0400).", valueName: "mode"))
  var metricsMode: String?
  @Flag(name: .customShort("f"), help: "Stay in the foreground.") var foreground = false
  @Option(
    name: .customShort("o"),
    help: ArgumentHelp(
      "Options as mount(8) has them: ro, nodelete, writeback, nonempty, noatime, uid=…, chunk_size=…", valueName: "options"))
  var options: [String] = []

  @Option(help: .hidden) var readyDescriptor: Int32?

  func run() throws {
    if let readyDescriptor { return try runDaemon(ReadyReporter(descriptor: readyDescriptor)) }
    let list = try optionList()
    try MountPointCheck.check(
      mountPoint: mountPoint, store: store, others: try Self.otherPlaces(list),
      mayHideFiles: list.switches.contains(.nonempty))
    let settings = try settings()
    if foreground { return try serve(settings, ReadyReporter(descriptor: nil)) }
    do {
      try Daemon.start(settings)
    } catch let failed as Daemon.Failed {
      Output.complain("aofs: \(failed.report.message)\n")
      throw ArgumentParser.ExitCode(failed.report.exitCode)
    }
  }

  func settings() throws(AofError) -> MountSettings {
    try MountSettings(store: store, mountPoint: mountPoint, options: optionList())
  }

  /// What the mount writes to beside its store, as far as the options say.
  private static func otherPlaces(_ list: MountOptionList) throws(AofError) -> [(path: String, what: String)] {
    var places: [(path: String, what: String)] = []
    if let directory = list.settings[.walDir] { places.append((directory, "WAL directory")) }
    if let file = list.settings[.logFile] { places.append((file, "log file")) }
    if let text = try RemoteArgument.text(list),
      case .directory(let path) = try RemoteLocation(parsing: text, workingDirectory: try FileFacts.resolved("."))
    {
      places.append((path, "remote"))
    }
    return places
  }

  private func optionList() throws(AofError) -> MountOptionList {
    var list = try MountOptionList(parsing: options)
    try list.add(.remote, remote)
    try list.add(.chunkSize, chunkSize)
    try list.add(.cacheSize, cacheSize)
    try list.add(.trashAge, trashAge)
    try list.add(.prefetchMemory, prefetchMemory)
    try list.add(.walDir, walDir)
    try list.add(.checkpointInterval, checkpointInterval)
    try list.add(.checkpointMaxAge, checkpointMaxAge)
    if checkpointOnUnmount { list.add(.checkpointOnUnmount) }
    try list.add(.remoteGrace, remoteGrace)
    try list.add(.compressionLevel, compressionLevel)
    try list.add(.stopTimeout, stopTimeout)
    try list.add(.logFile, logFile)
    try list.add(.logLevel, logLevel)
    try s3.add(to: &list)
    try list.add(.metricsMode, metricsMode)
    return list
  }

  /// The process that stays. Its errors go to the one that started it, while that waits.
  private func runDaemon(_ reporter: ReadyReporter) throws {
    do throws(AofError) {
      try serve(try settings(), reporter)
    } catch {
      if reporter.report(ReadyReport(error)) { throw ArgumentParser.ExitCode(AofsExitCode(error).rawValue) }
      throw error
    }
  }

  private func serve(_ settings: MountSettings, _ reporter: ReadyReporter) throws(AofError) {
    // Before any thread is there that a signal could end the process on.
    Signals.blockForWaiting()
    ServiceLog.start(settings.logLevel)
    try MountSession(settings: settings, reporter: reporter).run()
  }
}
