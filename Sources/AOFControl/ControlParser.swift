import AOFCore

/// Bytes written to a control file -> commands. Pure: looks nothing up.
package enum ControlParser {
  /// Understands every line, or none: a mistake in one line lets nothing happen.
  ///
  /// - Throws: `invalidArgument` naming the line, if there are several, and past `Limits.maximumCommand` and
  ///   `Limits.commandsInMessage`; as ``LogPath`` for impossible names.
  package static func commands(_ bytes: [UInt8], scope: ControlScope) throws(AofError) -> [ControlCommand] {
    guard bytes.count <= Limits.maximumCommand else {
      throw AofError(
        .invalidArgument, "a command of \(bytes.count) bytes is too long",
        remedy: "write at most \(Limits.maximumCommand) bytes at once")
    }
    let newline = UInt8(ascii: "\n")
    let lines = bytes.split(separator: newline, omittingEmptySubsequences: false)
    var commands: [ControlCommand] = []
    for (index, line) in lines.enumerated() {
      let isEnded = index < lines.count - 1
      do throws(AofError) {
        if let command = try command(line, isEnded: isEnded, scope: scope) { commands.append(command) }
      } catch {
        guard lines.contains(where: { $0.endIndex < bytes.endIndex - 1 && !$0.isEmpty }) else { throw error }
        throw AofError(
          error.code, "line \(index + 1): \(error.message)", remedy: error.remedy, cause: error.cause)
      }
      guard commands.count <= Limits.commandsInMessage else {
        throw AofError(
          .invalidArgument, "more than \(Limits.commandsInMessage) commands in one message",
          remedy: "write them in several messages")
      }
    }
    return commands
  }

  /// One line without its newline; nil if it is blank.
  private static func command(
    _ line: ArraySlice<UInt8>, isEnded: Bool, scope: ControlScope
  ) throws(AofError) -> ControlCommand? {
    let words = try ControlWordReader.words(of: line)
    guard let first = words.first else { return nil }
    let name = ControlQuoting.readable(first.bytes)
    guard !first.isQuoted, let verb = ControlVerb(rawValue: String(decoding: first.bytes, as: UTF8.self))
    else {
      throw AofError(
        .invalidArgument, "unknown command \(shortened(name))", remedy: "use one of \(ControlVerb.list)")
    }
    guard isEnded || !verb.needsNewline else {
      throw AofError(
        .invalidArgument, "\(verb.rawValue) was not ended by a newline, so it may be cut short",
        remedy: "write the whole line, with its newline, at once")
    }
    var arguments = try ControlArguments(verb: verb, words: words.dropFirst(), scope: scope)
    let command = try arguments.command()
    try arguments.finish()
    return command
  }

  static func shortened(_ text: String) -> String {
    text.count <= 64 ? text : text.prefix(64) + "…"
  }
}
