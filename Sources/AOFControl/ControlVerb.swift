import AOFCore

/// The verbs of the control files.
package enum ControlVerb: String, CaseIterable, Sendable {
  case help, seal, checkpoint, create, evict, hydrate, verify, objects, status, trim, truncate, wait
  case trash, restore, purge

  /// How the verb is written, for `help` and for error messages.
  package var usage: String {
    switch self {
    case .help: "help"
    case .seal: "seal [LOG]"
    case .checkpoint: "checkpoint [LOG]"
    case .create: "create LOG [chunk_size=SIZE]"
    case .evict: "evict [LOG]"
    case .hydrate: "hydrate [LOG [FROM-TO]]"
    case .verify: "verify [LOG] [remote=yes] [format=json]"
    case .objects: "objects LOG"
    case .status: "status [LOG]"
    case .trim: "trim LOG LSN [timeout=TIME]"
    case .truncate: "truncate LOG LSN [timeout=TIME]"
    case .trash: "trash [format=json]"
    case .restore: "restore LOG|id=ID [NAME]"
    case .purge: "purge LOG|id=ID|expired=yes|all=yes"
    case .wait: "wait LOG durable=LSN|remote=LSN [timeout=TIME]"
    }
  }

  var summary: String {
    switch self {
    case .help: "this text"
    case .seal: "make everything up to the tail immutable and durable on the local disk"
    case .checkpoint: "seal, upload what the remote lacks and publish it"
    case .create: "create a log, with the directories above it"
    case .evict: "free the local copies of what the remote holds"
    case .hydrate: "bring evicted bytes back, from LSN FROM up to but not including TO"
    case .verify: "check every sealed frame, and with remote=yes every object, against its checksum"
    case .objects: "list the remote objects that hold the log, in order"
    case .status: "show the watermarks"
    case .trim: "forget what lies below LSN, in whole pages of 4096 bytes"
    case .truncate: "forget what lies at and after LSN"
    case .trash: "list the logs in the trash"
    case .restore: "bring a log back from the trash, under its old name or as NAME"
    case .purge: "forget logs in the trash for good"
    case .wait: "return once everything below LSN is durable, or on the remote"
    }
  }

  /// Names of the `key=value` arguments that the verb takes.
  var options: [String] {
    switch self {
    case .create: ["chunk_size"]
    case .verify: ["remote", "format"]
    case .trim, .truncate: ["timeout"]
    case .trash: ["format"]
    case .restore: ["id"]
    case .purge: ["id", "expired", "all"]
    case .wait: ["durable", "remote", "timeout"]
    default: []
    }
  }

  /// Whether a command without its newline must not act: a buffered writer may have split a number or a name.
  var needsNewline: Bool { [.create, .trim, .truncate, .wait, .restore, .purge].contains(self) }

  /// Every verb's name, for messages.
  static var list: String { allCases.map(\.rawValue).joined(separator: ", ") }

  /// The answer to `help`.
  package static var helpText: String {
    let width = allCases.map(\.usage.count).max() ?? 0
    let rows = allCases.map { verb in
      "  " + verb.usage + String(repeating: " ", count: width - verb.usage.count + 2) + verb.summary
    }
    return """
      One command a line:

      \(rows.joined(separator: "\n"))

      LOG is the log's path below the mount. A path with blanks, '=', quotes or control characters is written
      in double quotes with C escapes: "a log\\n", "\\x22", "\\042". Without a LOG every log is meant.

      """
  }
}
