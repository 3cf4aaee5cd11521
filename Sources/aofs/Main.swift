import AOFCore
import ArgumentParser

@main
enum Main {
  static func main() {
    guard CommandLine.arguments.count > 1 else {
      Output.complain(AofsCommand.shortHelp)
      AofsCommand.exit(withError: ArgumentParser.ExitCode(AofsExitCode.usage.rawValue))
    }
    do {
      var command = try AofsCommand.parseAsRoot()
      try command.run()
    } catch let error as AofError {
      Output.complain(error)
      AofsCommand.exit(withError: ArgumentParser.ExitCode(AofsExitCode(error).rawValue))
    } catch {
      AofsCommand.exit(withError: error)
    }
  }
}
