import AOFControl
import AOFCore
import ArgumentParser

private let whereHelp = ArgumentHelp(
  "A path under a mount, STORE:NAME, or a whole MOUNTPOINT or STORE.", valueName: "log")
let logHelp = ArgumentHelp("A path under a mount, or STORE:NAME.", valueName: "log")

/// The target of a command that is about one log.
func oneLog(_ text: String, mayCreateStore: Bool = false) throws(AofError) -> Target {
  let target = try Target(text, mayCreateStore: mayCreateStore)
  guard VerbRunner.log(of: target) != nil else {
    throw AofError(.invalidArgument, "'\(text)' is a whole store", remedy: "name a log in it")
  }
  return target
}

struct CreateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Create a log, with the directories above it.",
    discussion: "The STORE of STORE:NAME is created too if it is missing.")

  @Argument(help: logHelp) var log: String
  @Option(
    help: ArgumentHelp("A power of two from 128KiB to 4GiB; fixed for the log's life.", valueName: "size"))
  var chunkSize: SizeArgument?
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    let size = try chunkSize.map { text throws(AofError) in try ChunkSize(text.bytes) }
    let target = try oneLog(log, mayCreateStore: true)
    try VerbRunner(verb: .create, arguments: size.map { ["chunk_size=\($0)"] } ?? [])
      .run(target, mayCreateStore: true)
  }
}

struct SealCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "seal", abstract: "Make everything up to the tail immutable and durable on the local disk.")

  @Argument(help: whereHelp) var log: String
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    try VerbRunner(verb: .seal).run(Target(log))
  }
}

struct CheckpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint", abstract: "Seal, upload what the remote lacks, and publish it.")

  @Argument(help: whereHelp) var log: String
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    try VerbRunner(verb: .checkpoint).run(Target(log))
  }
}

struct EvictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evict", abstract: "Free the local copies of what the remote holds.",
    discussion: "Of a mounted log the last 2 MiB stay, so that appends never wait for the remote.")

  @Argument(help: whereHelp) var log: String
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    try VerbRunner(verb: .evict).run(Target(log))
  }
}

struct HydrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hydrate", abstract: "Bring evicted bytes back from the remote.")

  @Argument(help: whereHelp) var log: String
  @Option(help: ArgumentHelp("The first LSN to bring back.", valueName: "lsn")) var from: LSNArgument?
  @Option(help: ArgumentHelp("The LSN after the last.", valueName: "lsn")) var to: LSNArgument?
  @OptionGroup var common: CommonOptions

  func validate() throws {
    let (from, to) = (from?.lsn ?? .zero, to?.lsn ?? .max)
    if from > to { throw ValidationError("--from \(from) lies past --to \(to).") }
  }

  func run() throws {
    common.startLogging()
    guard from != nil || to != nil else { return try VerbRunner(verb: .hydrate).run(Target(log)) }
    let range = "\(from?.lsn ?? .zero)-\(to?.lsn ?? .max)"
    try VerbRunner(verb: .hydrate, arguments: [range]).run(oneLog(log))
  }
}

struct ObjectsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "objects", abstract: "List the remote objects that hold a log, in order, one a line.",
    discussion: """
      With a directory as the remote these are paths, and 'aofs objects LOG | xargs -d "\\n" zstd -dc' is \
      the log up to its remote LSN.
      """)

  @Argument(help: logHelp) var log: String
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    try VerbRunner(verb: .objects).run(oneLog(log))
  }
}
