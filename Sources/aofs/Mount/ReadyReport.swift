import AOFCore
import AOFSystem

/// What the daemon tells the process that started it, over a pipe: the exit code on a line, then the
/// message, up to the end.
struct ReadyReport: Equatable {
  var exitCode: Int32
  var message: String

  static let ready = ReadyReport(exitCode: 0, message: "")

  init(exitCode: Int32, message: String) {
    self.exitCode = exitCode
    self.message = message
  }

  init(_ error: AofError) {
    self.init(exitCode: AofsExitCode(error).rawValue, message: "\(error)")
  }

  /// Nil if the daemon ended without a whole report.
  init?(parsing bytes: [UInt8]) {
    guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
      let code = Int32(String(decoding: bytes[..<end], as: UTF8.self))
    else { return nil }
    self.init(exitCode: code, message: String(decoding: bytes[(end + 1)...], as: UTF8.self))
  }

  var bytes: [UInt8] { Array("\(exitCode)\n\(message)".utf8) }
}

/// Tells once how the mount came out. Whoever is second is not heard.
final class ReadyReporter: Sendable {
  /// INVARIANT: no one else holds the stream, so that it is closed, and the starter goes on, when it leaves.
  private let pipe: Monitor<ByteStream?>

  /// - Parameter descriptor: of a pipe, which is closed with the report; nil in the foreground, where
  ///   nobody waits.
  init(descriptor: Int32?) { pipe = Monitor(descriptor.map(Spawn.takeHanded)) }

  /// Whether somebody waits: then the process is a daemon, and its messages go to its log file.
  var isAwaited: Bool { pipe.withLock { $0 != nil } }

  /// Writes the report and closes the pipe. Returns whether somebody was there to hear it.
  @discardableResult
  func report(_ report: ReadyReport) -> Bool {
    let pipe = pipe.withLock { pipe in
      defer { pipe = nil }
      return pipe
    }
    guard let pipe else { return false }
    // The starter may have been killed; the mount goes on without it.
    do throws(AofError) { try pipe.write(report.bytes) } catch { return false }
    return true
  }
}
