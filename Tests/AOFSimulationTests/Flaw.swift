import AOFSystem

/// A mistake that an engine could make, planted from outside: the world behaves as if the engine had made it.
enum Flaw: CaseIterable {
  /// Syncs of WAL segments do nothing, as if they had been forgotten.
  case forgetsWalSync
  case forgetsChunkSync
  /// Syncs of the WAL's directory do nothing.
  case forgetsWalNames
  case forgetsChunkNames
  /// All segments have the same nonce, so that frames of a segment's earlier life pass.
  case acceptsEarlierLives
  /// A sync of the WAL leaves out a write before the last one, as if it had begun before that was written.
  case flushesBehindHole
  /// At a power cut the manifest is as it was before segments were recycled.
  case recyclesBeforeCommit
  /// Segments have the same nonce, a log that was cut stays in its generation, and goes on in the same segment.
  case revivesCutFrames
  /// A sync that failed is called a success, as if it had been asked for again.
  case retriesFailedSync
  /// Bytes that are written again over pages that look clean are left out, as if they had only been synced again.
  case trustsCleanPages
  /// Files of purged logs are not removed, as if the engine had stopped at the manifest.
  case leavesPurgedFiles
  /// Objects that nothing needs any more stay in the remote.
  case leavesDroppedObjects

  var hasConstantRandom: Bool { self == .acceptsEarlierLives || self == .revivesCutFrames }

  /// What must happen more often than by itself.
  var revealing: [Step.Kind] {
    switch self {
    case .acceptsEarlierLives: [.powerCut, .sync]
    case .revivesCutFrames: [.powerCut, .kill]
    case .recyclesBeforeCommit: [.kill, .powerCut, .checkpoint, .close, .runJobs]
    case .retriesFailedSync: [.failSync, .seal, .sync, .powerCut]
    case .trustsCleanPages: [.failSync, .seal, .kill, .powerCut]
    case .leavesDroppedObjects: [.checkpoint, .appendLarge]
    case .leavesPurgedFiles: [.seal, .discard, .purge]
    default: []
    }
  }

  /// What would keep the flaw from showing.
  var hiding: [Step.Kind] {
    self == .revivesCutFrames ? [.sync, .seal, .checkpoint, .checkpointAll, .startSegment, .appendLarge, .close, .trim, .truncate] : []
  }

  /// Whether a violation is what the flaw is to be known by, where it leads to others as well.
  func explains(_ violation: String) -> Bool {
    switch self {
    case .leavesDroppedObjects: violation.contains("still in the remote")
    case .acceptsEarlierLives: violation.contains("came back damaged")
    case .revivesCutFrames:
      violation.contains("where no append ended") || violation.contains("brought wrong bytes")
    default: true
    }
  }

  func forgetsNames(of directory: String) -> Bool {
    switch self {
    case .forgetsWalNames: directory == "/wal"
    case .forgetsChunkNames: directory.hasPrefix("/chunks")
    default: false
    }
  }

  func keepsFile(_ file: String) -> Bool { self == .leavesPurgedFiles && file.hasPrefix("/chunks/") }

  func forgetsBytes(of file: String) -> Bool {
    switch self {
    case .forgetsWalSync: file.hasSuffix(".wal")
    case .forgetsChunkSync: file.hasSuffix(".chunk")
    default: false
    }
  }
}
