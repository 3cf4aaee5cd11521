import AOFCore
import AOFFormat
import AOFManifest

/// Applying: moving a tail from the WAL to its chunk files, so that WAL segments can go.
extension Aof {
  /// Moves the log's tail to its chunk files and records that, so that the WAL is not needed for it.
  func applyAndRecord() throws(AofError) {
    try underMaintenance { () throws(AofError) in
      try services.reserve.tidingOver { () throws(AofError) in
        guard let progress = try apply() else { return }
        try services.manifest.recordApplied([progress], firstSequences: [:])
        finishApplying(progress)
      }
    }
  }

  /// Writes what ``apply()`` is going to sync. False if there is nothing, or it could not be written: then that says why.
  func writeTail() -> Bool {
    let (tail, applied) = state.withLock { ($0.tail, $0.applied) }
    guard tail > applied else { return false }
    do throws(AofError) { try drain(through: tail) } catch { return false }
    return true
  }

  /// Makes the log durable in its chunk files up to the tail of this moment.
  /// - Returns: what the manifest must record, before ``finishApplying(_:)``; nil if there is nothing new.
  func apply() throws(AofError) -> AppliedProgress? {
    let progress = state.withLock { state -> AppliedProgress? in
      guard state.tail > state.applied else { return nil }
      return AppliedProgress(
        id: id, sealed: state.sealed, applied: state.tail, frames: Array(state.checksums.frames(upTo: state.tail)),
        generation: state.generation, generationStart: state.generationStart,
        failure: state.failure?.message, modificationTime: state.lastAppend)
    }
    guard let progress else { return nil }
    try makeDurable(through: progress.applied)
    return progress
  }

  /// Everything below is durable in chunk files and in the manifest.
  var appliedLSN: LSN { state.withLock { $0.applied } }

  /// The manifest has recorded `progress`.
  func finishApplying(_ progress: AppliedProgress) {
    state.change { state in
      state.applied = max(state.applied, progress.applied)
      state.durable = max(state.durable, progress.applied)
    }
    services.observation.marks.moved()
  }
}
