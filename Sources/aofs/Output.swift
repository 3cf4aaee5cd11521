import AOFCore
import AOFSystem
import Foundation

/// What people and programs read.
enum Output {
  /// Writes to standard output.
  static func show(_ text: String) throws(AofError) { try ByteStream.standardOutput.write(text) }

  /// Writes an error to standard error, with the command's name before it.
  static func complain(_ error: AofError) {
    let name = isColoured ? "\u{1B}[1;31maofs:\u{1B}[0m" : "aofs:"
    complain("\(name) \(error)\n")
  }

  /// Writes to standard error as it is. There is no one to tell if that fails.
  static func complain(_ text: String) {
    do throws(AofError) { try ByteStream.standardError.write(text) } catch {}
  }

  /// A remark that only a person at a terminal wants.
  static func remark(_ text: String) {
    if ByteStream.standardError.isTerminal { complain(text) }
  }

  /// https://no-color.org: any value but the empty one turns colour off.
  private static var isColoured: Bool {
    let environment = ProcessInfo.processInfo.environment
    return ByteStream.standardError.isTerminal && (environment["NO_COLOR"] ?? "").isEmpty
      && environment["TERM"] != "dumb"
  }
}
