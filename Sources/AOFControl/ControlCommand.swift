import AOFCore

/// One line of a control file, understood.
package enum ControlCommand: Hashable, Sendable {
  /// What a command acts on.
  package enum Target: Hashable, Sendable {
    /// No LOG was given: every log, or the log whose own control file was written to.
    case unnamed
    case log(LogPath)
  }

  package enum Format: String, Hashable, Sendable { case text, json }

  /// The watermark that is waited for.
  package enum Mark: String, CaseIterable, Sendable { case durable, remote }

  case help
  case seal(Target)
  case checkpoint(Target)
  case create(LogPath, chunkSize: ChunkSize?)
  case evict(Target)
  /// A nil range is the whole log.
  case hydrate(Target, Range<LSN>?)
  case verify(Target, remote: Bool, format: Format)
  case objects(Target)
  case status(Target)
  /// A nil timeout is the usual one.
  case trim(Target, LSN, timeout: Duration?)
  case truncate(Target, LSN, timeout: Duration?)
  case trash(format: Format)
  /// A nil path is the old one.
  case restore(TrashedTarget, as: LogPath?)
  case purge(PurgeTarget)

  /// A log in the trash.
  package enum TrashedTarget: Hashable, Sendable {
    /// What it was called; of several, the one that was deleted last.
    case path(LogPath)
    case id(LogID)
  }

  /// Which logs in the trash are to go.
  package enum PurgeTarget: Hashable, Sendable {
    case log(TrashedTarget)
    /// Those that have been there for longer than the trash age.
    case expired
    case all
  }
  case wait(Target, Mark, LSN, timeout: Duration?)
}

extension ControlCommand {
  /// The command as it could be written, without what is as usual.
  package var summary: String {
    switch self {
    case .help: "help"
    case .seal(let target): "seal" + target.word
    case .checkpoint(let target): "checkpoint" + target.word
    case .create(let path, _): "create" + Target.log(path).word
    case .evict(let target): "evict" + target.word
    case .hydrate(let target, let range):
      "hydrate" + target.word + (range.map { " \($0.lowerBound)-\($0.upperBound)" } ?? "")
    case .verify(let target, let remote, _): "verify" + target.word + (remote ? " remote=yes" : "")
    case .objects(let target): "objects" + target.word
    case .status(let target): "status" + target.word
    case .trim(let target, let lsn, _): "trim\(target.word) \(lsn)"
    case .truncate(let target, let lsn, _): "truncate\(target.word) \(lsn)"
    case .trash: "trash"
    case .restore(let log, let path): "restore\(log.word)" + (path.map { Target.log($0).word } ?? "")
    case .purge(.log(let log)): "purge" + log.word
    case .purge(.expired): "purge expired=yes"
    case .purge(.all): "purge all=yes"
    case .wait(let target, let mark, let lsn, _): "wait\(target.word) \(mark.rawValue)=\(lsn)"
    }
  }
}

extension ControlCommand.TrashedTarget {
  fileprivate var word: String {
    switch self {
    case .path(let path): ControlCommand.Target.log(path).word
    case .id(let id): " id=\(id)"
    }
  }
}

extension ControlCommand.Target {
  fileprivate var word: String {
    switch self {
    case .unnamed: ""
    case .log(let path): " " + ControlQuoting.readable(path.bytes)
    }
  }
}

/// Whose control file a command was written to.
package enum ControlScope: Sendable {
  /// `.ctl/command`: a LOG may be named.
  case store
  /// `.ctl/logs/NAME/command`: every command is about that log, and names none.
  case log
}
