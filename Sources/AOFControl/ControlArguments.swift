import AOFCore

/// The words after a verb, taken one after the other.
struct ControlArguments {
  private let verb: ControlVerb
  private let scope: ControlScope
  private var positional: ArraySlice<ControlWord>
  private var options: [String: String] = [:]

  /// - Throws: `invalidArgument` for a `key=value` that the verb does not know, or that comes twice.
  init(verb: ControlVerb, words: ArraySlice<ControlWord>, scope: ControlScope) throws(AofError) {
    self.verb = verb
    self.scope = scope
    positional = []
    for word in words {
      guard !word.isQuoted, let sign = word.bytes.firstIndex(of: UInt8(ascii: "=")) else {
        positional.append(word)
        continue
      }
      let key = String(decoding: word.bytes[..<sign], as: UTF8.self)
      guard verb.options.contains(key) else {
        throw misuse(
          "\(verb.rawValue) has no argument \(shown(key))",
          remedy: "\(usage); a LOG with '=' in its name goes in double quotes")
      }
      let value = String(decoding: word.bytes[(sign + 1)...], as: UTF8.self)
      guard options.updateValue(value, forKey: key) == nil else {
        throw misuse("\(key) is given twice", remedy: usage)
      }
    }
  }

  mutating func command() throws(AofError) -> ControlCommand {
    switch verb {
    case .help: return .help
    case .seal: return .seal(try target())
    case .checkpoint: return .checkpoint(try target())
    case .create: return try create()
    case .evict: return .evict(try target())
    case .hydrate: return .hydrate(try target(), try range())
    case .verify: return try verify()
    case .objects: return .objects(try requiredTarget())
    case .status: return .status(try target())
    case .trim: return .trim(try requiredTarget(), try lsn(), timeout: try timeout())
    case .truncate: return .truncate(try requiredTarget(), try lsn(), timeout: try timeout())
    case .trash:
      try refuseScopeOfLog()
      return .trash(format: try format())
    case .restore: return try restore()
    case .purge: return try purge()
    case .wait: return try wait()
    }
  }

  /// - Throws: `invalidArgument` if words are left over.
  func finish() throws(AofError) {
    guard let word = positional.first else { return }
    let text = shown(ControlQuoting.readable(word.bytes))
    switch scope {
    case .store:
      throw misuse(
        "\(verb.rawValue): \(text) is one argument too many",
        remedy: "\(usage); a LOG with blanks in its name goes in double quotes")
    case .log:
      throw misuse(
        "\(verb.rawValue): \(text) is one argument too many",
        remedy: "leave the LOG out here, or write to .ctl/command")
    }
  }

  // MARK: Verbs

  private mutating func create() throws(AofError) -> ControlCommand {
    guard case .log(let path) = try requiredTarget() else {
      throw misuse("create does not belong in the control file of a log", remedy: "write to .ctl/command")
    }
    let chunkSize = try options["chunk_size"].map { text throws(AofError) in
      try ChunkSize(ByteCount(parsing: text))
    }
    return .create(path, chunkSize: chunkSize)
  }

  private mutating func verify() throws(AofError) -> ControlCommand {
    let (remote, format) = (try flag("remote"), try format())
    return .verify(try target(), remote: remote, format: format)
  }

  private mutating func restore() throws(AofError) -> ControlCommand {
    try refuseScopeOfLog()
    guard let log = try trashed() else { throw misuse("restore needs a LOG or its id", remedy: usage) }
    return .restore(log, as: try path())
  }

  private mutating func purge() throws(AofError) -> ControlCommand {
    try refuseScopeOfLog()
    var wanted: [ControlCommand.PurgeTarget] = []
    if let log = try trashed() { wanted.append(.log(log)) }
    if try flag("expired") { wanted.append(.expired) }
    if try flag("all") { wanted.append(.all) }
    guard let target = wanted.first, wanted.count == 1 else {
      throw misuse("purge needs to know what is to go, in one way", remedy: usage)
    }
    return .purge(target)
  }

  /// What is in the trash is nobody's own.
  private func refuseScopeOfLog() throws(AofError) {
    guard scope == .store else {
      throw misuse("\(verb.rawValue) does not belong in the control file of a log", remedy: "write to .ctl/command")
    }
  }

  private mutating func trashed() throws(AofError) -> ControlCommand.TrashedTarget? {
    guard let text = options["id"] else { return try path().map { .path($0) } }
    guard !text.isEmpty, text.utf8.allSatisfy(Self.isDigit), let id = UInt64(text) else {
      throw misuse("id=\(shown(text)) is not an id", remedy: "'trash' lists them")
    }
    return .id(LogID(rawValue: id))
  }

  private func flag(_ name: String) throws(AofError) -> Bool {
    switch options[name] {
    case "yes": true
    case "no", nil: false
    case .some(let value): throw misuse("\(name)=\(shown(value)) is not possible", remedy: "use yes or no")
    }
  }

  private func format() throws(AofError) -> ControlCommand.Format {
    let format = options["format"] ?? ControlCommand.Format.text.rawValue
    guard let format = ControlCommand.Format(rawValue: format) else {
      throw misuse("format=\(shown(format)) is not possible", remedy: "use text or json")
    }
    return format
  }

  private mutating func wait() throws(AofError) -> ControlCommand {
    let target = try requiredTarget()
    let marks = ControlCommand.Mark.allCases.filter { options[$0.rawValue] != nil }
    guard marks.count == 1, let mark = marks.first, let text = options[mark.rawValue] else {
      throw misuse("wait takes one of durable=LSN and remote=LSN", remedy: usage)
    }
    return .wait(target, mark, try lsn(Array(text.utf8)[...]), timeout: try timeout())
  }

  private func timeout() throws(AofError) -> Duration? {
    guard let text = options["timeout"] else { return nil }
    guard let timeout = try? Duration(parsing: text), timeout <= .seconds(86_400) else {
      throw misuse("timeout=\(shown(text)) is not possible", remedy: "write a time of up to a day: 30s, 500ms, 2m")
    }
    return timeout
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  // MARK: Words

  private mutating func target() throws(AofError) -> ControlCommand.Target {
    guard scope == .store, let path = try path() else { return .unnamed }
    return .log(path)
  }

  private mutating func path() throws(AofError) -> LogPath? {
    guard let word = positional.popFirst() else { return nil }
    let path = try LogPath(word.bytes)
    guard !path.names.isEmpty else {
      throw misuse("an empty LOG", remedy: "name a log, or leave the word out to mean every log")
    }
    return path
  }

  private mutating func requiredTarget() throws(AofError) -> ControlCommand.Target {
    let target = try target()
    guard scope == .log || target != .unnamed else {
      throw misuse("\(verb.rawValue) needs a LOG", remedy: usage)
    }
    return target
  }

  private mutating func lsn() throws(AofError) -> LSN {
    guard let word = positional.popFirst() else {
      throw misuse("\(verb.rawValue) needs an LSN", remedy: usage)
    }
    return try lsn(word.bytes[...])
  }

  private func lsn(_ bytes: ArraySlice<UInt8>) throws(AofError) -> LSN {
    let isNumber = !bytes.isEmpty && bytes.allSatisfy(Self.isDigit)
    guard isNumber, let value = UInt64(String(decoding: bytes, as: UTF8.self)), value <= LSN.max.rawValue
    else {
      throw misuse(
        "\(shown(ControlQuoting.readable(Array(bytes)))) is not an LSN",
        remedy: "write a byte offset, from 0 to \(LSN.max)")
    }
    return LSN(rawValue: value)
  }

  private mutating func range() throws(AofError) -> Range<LSN>? {
    guard let word = positional.popFirst() else { return nil }
    guard let dash = word.bytes.firstIndex(of: UInt8(ascii: "-")) else {
      throw misuse(
        "\(shown(ControlQuoting.readable(word.bytes))) is not a range",
        remedy: "write FROM-TO, such as 0-131072")
    }
    let from = try lsn(word.bytes[..<dash])
    let to = try lsn(word.bytes[(dash + 1)...])
    guard from <= to else {
      throw misuse(
        "the range \(from)-\(to) ends before it begins", remedy: "write FROM-TO with FROM up to TO")
    }
    return from..<to
  }

  // MARK: Messages

  private var usage: String { "the form is: \(verb.usage)" }

  private func misuse(_ message: String, remedy: String) -> AofError {
    AofError(.invalidArgument, message, remedy: remedy)
  }

  private func shown(_ text: String) -> String { ControlParser.shortened(text) }
}
