import AOFCore

/// Something that happened in a store. It is reported once, where it happens; the metrics, the events file, the
/// status and the log output are made of it.
package enum EngineEvent: Sendable {
  /// A run of bytes became immutable.
  case seal(LogID, Range<LSN>, took: Duration)
  case checkpoint(Checkpoint)
  /// Adjacent frames came back from the remote, or did not.
  case hydration(LogID, Range<LSN>, took: Duration, failure: AofError?)
  /// Bytes left the local disk that the remote holds.
  case eviction(LogID, ByteCount)
  /// The log begins at the LSN now.
  case trim(LogID, LSN)
  /// The log ended at the LSN, and goes on there in the generation.
  case truncation(LogID, LSN, Generation)
  /// Extents of a chunk became one, in one object.
  case merger(LogID, Range<LSN>, parts: Int)
  /// What no manifest names was found in the remote, or deleted there.
  case tidying(Tidying)
  /// A log went to the trash, came back from it, or is gone for good; the path that it had, or has now.
  case discard(LogID, LogPath)
  case restore(LogID, LogPath)
  case purge(LogID, LogPath)
  /// - Parameter isRepeated: whether another event has told of the failure, where it is counted.
  case incident(Incident.Kind, String, isRepeated: Bool = false)
  /// A mount point shows the store, or does so no more.
  case mount(String)
  case unmount(String)

  /// One round of sealing, uploading and publishing.
  package struct Checkpoint: Sendable {
    package var logs = 0
    package var objects = 0
    /// What the new objects take in the remote.
    package var bytes = ByteCount(rawValue: 0)
    package var took = Duration.zero
    /// The first one, if something failed.
    package var failure: AofError?
  }

  /// A look at what the remote holds and no manifest names.
  package struct Tidying: Sendable {
    /// Objects that were found.
    package var orphans = 0
    /// Unfinished uploads that were given up.
    package var uploads = 0
    /// Objects that were deleted, after their grace.
    package var deleted = 0

    var isNews: Bool { orphans + uploads + deleted > 0 }
  }

  /// What went wrong with it; nil for what went well.
  var errorKind: Incident.Kind? {
    switch self {
    case .incident(let kind, _, let isRepeated): isRepeated ? nil : kind
    case .checkpoint(let checkpoint): checkpoint.failure.map(Incident.Kind.init)
    case .hydration(_, _, _, let failure): failure.map(Incident.Kind.init)
    case .seal, .eviction, .trim, .truncation, .merger, .tidying, .discard, .restore, .purge, .mount, .unmount: nil
    }
  }
}

/// An event with its number and time.
package struct ObservedEvent: Sendable {
  /// Counted from 0 since the store was opened.
  package let number: UInt64
  package let time: UnixTime
  package let event: EngineEvent
}

/// Something that went wrong in a store and that its owner should know of.
public struct Incident: Hashable, Sendable {
  /// What it has to do with: each wants another answer.
  public enum Kind: String, CaseIterable, Sendable {
    /// Bytes do not match their checksum, on the local disk or in the remote.
    case damage
    /// The local disk, or the system, failed a call.
    case disk
    /// The local disk or a quota is full.
    case space
    case remote
    /// Another writer has taken over the remote.
    case fenced
    /// An opening found the end of a log torn, or lost.
    case recovery
    case other

    package init(_ error: AofError) {
      self =
        switch error.code {
        case .corrupt: .damage
        case .noSpace, .quotaExceeded: .space
        case .remoteFailure: .remote
        case .fenced: .fenced
        case .localFailure, .system: .disk
        default: .other
        }
    }
  }

  public let time: UnixTime
  public let kind: Kind
  /// What happened, where, and what was done about it.
  public let message: String
}
