import AOFCore
import ArgumentParser
import Logging

/// Options that every subcommand takes.
struct CommonOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "How much to tell on standard error: trace, debug, info, notice, warning, error or critical.",
      valueName: "level"))
  var logLevel: Logger.Level = .warning

  /// Call it once, before anything logs.
  func startLogging() {
    ServiceLog.start(logLevel)
  }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

/// A size on the command line.
struct SizeArgument: ExpressibleByArgument {
  let bytes: ByteCount

  init?(argument: String) {
    do throws(AofError) { bytes = try ByteCount(parsing: argument) } catch { return nil }
  }

  var defaultValueDescription: String { bytes.description }
}

/// An LSN on the command line.
struct LSNArgument: ExpressibleByArgument {
  let lsn: LSN

  init?(argument: String) {
    guard argument.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
      let value = UInt64(argument), value <= LSN.max.rawValue
    else { return nil }
    lsn = LSN(rawValue: value)
  }
}
