import AOFControl
import AOFCore

/// Commands written to a control file.
enum ControlCommandTarget {
  static func run(_ input: [UInt8]) throws(Finding) {
    for scope in [ControlScope.store, .log] {
      let codes: Set<AofError.Code> = [.invalidArgument, .nameTooLong]
      let commands = try decoded(codes: codes) { () throws(AofError) in
        try ControlParser.commands(input, scope: scope)
      }
      guard let commands else { continue }
      let lines = input.split(separator: UInt8(ascii: "\n")).count
      try promise(commands.count <= lines, "\(commands.count) commands in \(lines) lines")
    }
    try quoting(input)
  }

  /// Any name, quoted, is the one word of a line, and is that name; for people it never holds a line break.
  private static func quoting(_ bytes: [UInt8]) throws(Finding) {
    let readable = ControlQuoting.readable(bytes)
    try promise(!readable.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }, "a name forges a line")
    let quoted = ControlQuoting.quoted(bytes)
    try promise(quoted.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "a quoted name holds a control character")
    guard let path = try? LogPath(bytes), !path.names.isEmpty else { return }
    let commands = try accepted("a quoted name") { () throws(AofError) in
      try ControlParser.commands(Array("objects ".utf8) + quoted, scope: .store)
    }
    try promise(commands == [.objects(.log(path))], "a quoted name is another")
    guard readable.hasPrefix("\"") else { return }
    let shown = try accepted("a name as it is shown") { () throws(AofError) in
      try ControlParser.commands(Array("objects \(readable)".utf8), scope: .store)
    }
    try promise(shown == [.objects(.log(path))], "a name as it is shown is another")
  }

  static var seeds: [[UInt8]] {
    [
      "seal", "seal nginx/access.log\ncheckpoint\n", "create \"a b\" chunk_size=1MiB\n", "hydrate log 0-131072",
      "verify log remote=yes format=json", "trim log 4096\n", "truncate \"\\x22\\042\\n\" 18446744073709551615\n",
      "evict =", "objects a\tb", "status \u{e9}", "help\n\n\nhelp", "seal \"", "seal a b", "a\u{85}b\u{2028}",
    ].map { Array($0.utf8) }
  }
}

/// `-o`: a list, or several of them, one a line.
enum MountOptionsTarget {
  static func run(_ input: [UInt8]) throws(Finding) {
    let texts = input.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    let list = try decoded(codes: [.invalidArgument]) { () throws(AofError) in
      try MountOptionList(parsing: texts)
    }
    guard let list else { return }
    try promise(Set(list.kernel).count == list.kernel.count, "the kernel gets an option twice")
    try promise(list.kernel.allSatisfy(MountOptionList.passed.contains), "the kernel gets what is not for it")
    try promise(list.settings.values.allSatisfy { !$0.isEmpty }, "a setting without a value")
    let switches = list.switches.map(\.rawValue).sorted()
    let written = list.kernel + switches + list.settings.sorted { $0.key.rawValue < $1.key.rawValue }.map { setting, value in
      setting.rawValue + "=" + value.split(separator: ",", omittingEmptySubsequences: false).joined(separator: "\\,")
    }
    // A backslash before a comma of the value would be taken for the comma's own.
    guard !list.settings.values.contains(where: { $0.hasSuffix("\\") || $0.contains("\\,") }) else { return }
    let again = try accepted("a list that was written") { () throws(AofError) in
      try MountOptionList(parsing: [written.joined(separator: ",")])
    }
    try promise(again == list, "a list that was written is read otherwise")
  }

  static var seeds: [[UInt8]] {
    [
      "remote=dir:/tmp/r,chunk_size=1MiB,cache_size=2G", "ro,noatime,defaults\nx-systemd.automount", "chunk_size=",
      "wal_dir=/a\\,b,log_level=debug", "remote=a,remote=b", "stop_timeout=5s,log_file=/l\\d", "\u{301}=,", ",,",
    ].map { Array($0.utf8) }
  }
}
