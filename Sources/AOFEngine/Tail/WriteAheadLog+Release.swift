import AOFCore
import AOFManifest
import AOFSystem

/// Letting go of segments whose bytes are safe in chunk files.
extension WriteAheadLog {
  /// Closed segments beyond this number make the store apply its logs in the background.
  static let closedSegmentsBeforeApplying = 4

  /// With as many closed segments, 512 MiB, appends wait until the store has applied its logs, or could not.
  static let closedSegmentsBeforeWaiting = 32

  var closedSegmentCount: Int { state.withLock { $0.segments.count - 1 } }

  /// The logs that closed segments still protect.
  var logsInClosedSegments: Set<LogID> {
    state.withLock { state in
      state.segments.dropLast().reduce(into: []) { $0.formUnion($1.logEnds.keys) }
    }
  }

  /// The number of the first segment that is still needed, if `applied` answers how far each log is durable in its
  /// chunk files and in the manifest.
  func firstNeededSequence(applied: (LogID) -> LSN) -> UInt64 {
    let segments = state.withLock { $0.segments }
    for live in segments {
      guard live.end != nil, live.logEnds.allSatisfy({ applied($0.key) >= $0.value }) else {
        return live.segment.sequence
      }
    }
    return segments.last.map { $0.segment.sequence + 1 } ?? 1
  }

  /// Frames of a log past `lsn` protect nothing any more: the log was cut there. For the committer alone.
  func forgetFrames(of log: Aof, past lsn: LSN) {
    state.withLock { state in
      for index in state.segments.indices {
        if let end = state.segments[index].logEnds[log.id] { state.segments[index].logEnds[log.id] = min(end, lsn) }
      }
    }
    log.committedEnd = min(log.committedEnd, lsn)
  }

  /// Lets go of logs that were purged. The active segment may have the frames of very many small ones.
  func forget(_ logs: [LogID]) {
    asCommitter { () throws(Never) in for id in logs { committer.pointee.logs[id] = nil } }
  }

  /// Lets go of the logs with frames in the active segment, which is never released: its store is gone.
  func forgetLogs() { asCommitter { () throws(Never) in committer.pointee.logs = [:] } }

  /// Recycles the segments before `sequence`. The manifest calls them void already, so that nothing depends on
  /// whether their files are gone.
  func release(before sequence: UInt64) throws(AofError) {
    let released = state.withLock { state in
      let count = state.segments.prefix { $0.segment.sequence < sequence && $0.end != nil }.count
      defer { state.segments.removeFirst(count) }
      return state.segments.prefix(count).map(\.segment)
    }
    guard !released.isEmpty else { return }
    for segment in released { try pool.recycle(segment) }
    try environment.disk.syncDirectory(record.path)
  }
}
