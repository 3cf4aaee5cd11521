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
}

/// Whose control file a command was written to.
package enum ControlScope: Sendable {
  /// `.ctl/command`: a LOG may be named.
  case store
  /// `.ctl/logs/NAME/command`: every command is about that log, and names none.
  case log
}
