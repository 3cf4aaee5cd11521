import AOFCore
import AOFEngine
import AOFFileSystem
import AOFSystem
import ArgumentParser

struct AppendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "append", abstract: "Append files, or standard input, to a log, and make it durable.",
    discussion: """
      Each append is at most 1 MiB less a page and ends at the end of a line where there is one, so that the lines of \
      several writers do not mix.
      """)

  @Argument(help: ArgumentHelp("A path under a mount, or STORE:NAME.", valueName: "log")) var log: String
  @Argument(help: ArgumentHelp("What to append; '-' or nothing is standard input.", valueName: "file"))
  var files: [String] = []
  @Flag(help: "Create the log if it is missing.") var create = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    let target = try Target(log, mayCreateStore: create)
    guard let path = VerbRunner.log(of: target) else {
      throw AofError(.invalidArgument, "'\(log)' is a whole store", remedy: "name a log in it")
    }
    switch target {
    case .mounted(let store, _):
      let file = try open(store.path(path))
      let count = try copy { bytes throws(AofError) in try file.write(bytes) }
      try file.sync()
      report(count)
    case .store:
      try StoreAccess.with(target, mayCreateStore: create) { store throws(AofError) in
        guard case .open(let manager, let control) = store else { return }
        let log = try openLog(path, in: manager, control)
        let count = try copy { bytes throws(AofError) in _ = try log.append(bytes) }
        try log.sync()
        report(count)
      }
    }
  }

  private func open(_ path: String) throws(AofError) -> ByteStream {
    do throws(AofError) {
      return try ByteStream.open(path, create ? .appendCreating : .append)
    } catch {
      guard error.code == .notFound, !create else { throw error }
      throw missing
    }
  }

  private func openLog(_ path: LogPath, in manager: AofManager, _ control: ControlExecutor) throws(AofError) -> Aof {
    do throws(AofError) {
      return try manager.openLog(path)
    } catch {
      guard error.code == .notFound else { throw error }
      guard create else { throw missing }
      return try control.createLog(AofConfig(name: path.description))
    }
  }

  private var missing: AofError {
    AofError(
      .notFound, "there is no log '\(log)'", remedy: "create it with 'aofs create', or append with --create")
  }

  private func report(_ count: Int) { Output.remark("appended \(count) bytes\n") }

  /// Hands the input on in pieces that each may become one append; returns the bytes.
  private func copy(_ append: (UnsafeRawBufferPointer) throws(AofError) -> Void) throws(AofError) -> Int {
    var total = 0
    for name in files.isEmpty ? ["-"] : files {
      let input = name == "-" ? ByteStream.standardInput : try ByteStream.open(name, .read)
      var pieces = LinePieces(size: AppendCommand.pieceSize)
      total += try pieces.copy(from: input, to: append)
    }
    return total
  }

  /// The largest buffer that a mount takes as one append: the kernel's request less a page.
  static let pieceSize = Limits.maximumRequest - 4096
}
