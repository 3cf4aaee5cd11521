import AOFCore
import AOFSystem
import Glibc

/// Starting the mount in the background, by spawning this program anew.
enum Daemon {
  /// The daemon's own words and exit code.
  struct Failed: Error { let report: ReadyReport }

  /// Returns when the mount answers.
  /// - Throws: ``Failed`` with what the daemon says went wrong, or `AofError` if it says nothing.
  static func start(_ settings: MountSettings) throws {
    let (process, reader) = try launch(settings)
    guard let report = ReadyReport(parsing: try reader.readAll()) else {
      throw try endedSilently(process, settings)
    }
    guard report.exitCode == 0 else { throw Failed(report: report) }
  }

  /// Our copy of the pipe's writing end goes with the scope: else the end of the daemon's would not be seen.
  private static func launch(_ settings: MountSettings) throws(AofError) -> (
    process: Int32, reader: ByteStream
  ) {
    let pipe = try Pipe.open()
    let arguments = ["aofs", "mount", "--ready-descriptor", "\(Spawn.handedDescriptor)"]
    let process = try Spawn.daemon(
      arguments + settings.arguments.dropFirst(), handing: pipe.writer, errorLog: settings.logFile)
    return (process, pipe.reader)
  }

  private static func endedSilently(_ process: Int32, _ settings: MountSettings) throws(AofError) -> AofError
  {
    let how =
      switch try Spawn.wait(for: process) {
      case .exited(let code): "with exit code \(code)"
      case .killed(let signal): "by signal \(signal)"
      }
    return AofError(
      .system(errno: ECHILD), "the daemon ended \(how) before the mount answered",
      remedy: "run the same command with -f to see why")
  }
}
