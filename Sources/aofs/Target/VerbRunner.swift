import AOFControl
import AOFCore
import AOFFileSystem
import ArgumentParser

/// Sends one command of the control grammar to the store that a target names, and shows the answer.
struct VerbRunner {
  let verb: ControlVerb
  var arguments: [String] = []

  /// The log of a target; nil for the whole store.
  static func log(of target: Target) -> LogPath? {
    switch target {
    case .mounted(_, let path): path.names.isEmpty ? nil : path
    case .store(_, let path): path
    }
  }

  /// The line for the control file.
  func line(_ target: Target) -> [UInt8] {
    var line = Array(verb.rawValue.utf8)
    if let log = Self.log(of: target) { line += [UInt8(ascii: " ")] + ControlQuoting.quoted(log.bytes) }
    for argument in arguments { line += Array(" \(argument)".utf8) }
    return line + [UInt8(ascii: "\n")]
  }

  /// - Throws: `ExitCode` after a failed command, whose text is then on standard error.
  func run(_ target: Target, mayCreateStore: Bool = false, isReport: Bool = false) throws {
    try Self.run(line(target), target, mayCreateStore: mayCreateStore, isReport: isReport)
  }

  /// As the above, for a whole line of the control grammar.
  static func run(_ line: [UInt8], _ target: Target, mayCreateStore: Bool = false, isReport: Bool = false) throws {
    let answer = try StoreAccess.with(target, mayCreateStore: mayCreateStore) { store throws(AofError) in
      try store.execute(line)
    }
    guard let error = answer.error else { return try Output.show(answer.text) }
    let isMessage = answer.text.hasPrefix("error: ")
    if isReport, !isMessage {
      try Output.show(answer.text)
    } else {
      Output.complain(isMessage ? "aofs: " + answer.text.dropFirst("error: ".count) : answer.text)
    }
    throw ArgumentParser.ExitCode(AofsExitCode(error).rawValue)
  }
}
