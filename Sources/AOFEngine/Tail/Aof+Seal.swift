import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

extension Aof {
  /// Makes everything up to the tail immutable and durable, with its checksums in the manifest. The tail starts anew
  /// at the same LSN; appends go on meanwhile. Blocks on the local disk.
  /// - Returns: the range that was sealed; nil when there was nothing to seal.
  /// - Throws: local failures; then nothing is sealed that was not before.
  @discardableResult
  public func sealTail() throws(AofError) -> Range<LSN>? {
    try underMaintenance { () throws(AofError) in try seal(upTo: { $0.tail }) }
  }

  /// Runs `body` while no other thread seals, applies, checkpoints or evicts the log.
  func underMaintenance<Result>(_ body: () throws(AofError) -> Result) throws(AofError) -> Result {
    state.wait { state -> Void? in
      if state.isUnderMaintenance { return nil }
      state.isUnderMaintenance = true
      return ()
    }
    defer { state.change { $0.isUnderMaintenance = false } }
    return try body()
  }

  // MARK: Sealing

  /// Seals up to the LSN that `limit` picks: the tail, or a chunk boundary. The caller does the log's maintenance.
  func seal(upTo limit: (LogState) -> LSN) throws(AofError) -> Range<LSN>? {
    let watch = Stopwatch()
    guard let plan = try planSeal(limit) else { return nil }
    do throws(AofError) {
      try services.reserve.tidingOver { () throws(AofError) in
        try makeDurable(through: plan.applied)
        try services.manifest.recordSeal(
          plan.extents, of: id, applied: plan.applied, appliedFrames: plan.framesPastSeal,
          modificationTime: plan.modified)
      }
    } catch {
      state.withLock { $0.checksumsPastSeal = nil }
      throw error
    }
    finishSeal(plan)
    services.observation.report(.seal(id, plan.range, took: watch.elapsed))
    services.observation.marks.moved()
    return plan.range
  }

  private struct SealPlan {
    let range: Range<LSN>
    let extents: [AofChunkRecord]
    /// Where the log is durable in its chunk files once the seal is recorded: the seal's end, or the tail if the log
    /// was applied past the seal's end before. What was applied must stay so: its WAL may be gone.
    let applied: LSN
    /// The checksums from the seal's end to ``applied``.
    let framesPastSeal: [FrameRecord]
    let modified: UnixTime
  }

  private func planSeal(_ limit: (LogState) -> LSN) throws(AofError) -> SealPlan? {
    if let failure { throw failure }
    let now = services.environment.clock.now()
    return state.withLock { state in
      let range = state.sealed..<max(state.sealed, limit(state))
      guard !range.isEmpty else { return nil }
      // The frame that holds the limit goes on: what is appended from here on has checksums of its own.
      let rest = state.checksums.continued(from: range.upperBound)
      state.checksumsPastSeal = rest
      let applied = state.applied > range.upperBound ? state.tail : range.upperBound
      let frames = Array(state.checksums.frames(upTo: range.upperBound))
      return SealPlan(
        range: range, extents: extents(range, frames, generation: state.generation, sealedAt: now),
        applied: applied, framesPastSeal: Array(rest.frames(upTo: applied)), modified: state.lastAppend)
    }
  }

  /// Splits a run at its chunk boundaries, which are frame boundaries too.
  private func extents(
    _ range: Range<LSN>, _ frames: [FrameRecord], generation: Generation, sealedAt: UnixTime
  ) -> [AofChunkRecord] {
    var extents: [AofChunkRecord] = []
    var rest = frames[...]
    var position = range.lowerBound
    while position < range.upperBound {
      let span = chunkSize.firstSpan(of: position..<range.upperBound)
      var end = position
      let count = rest.prefix { frame in
        guard end < span.upperBound else { return false }
        end = end + Int(frame.length)
        return true
      }.count
      extents.append(
        AofChunkRecord(
          log: id, chunk: chunkID(for: position), range: span, generation: generation,
          frames: Array(rest.prefix(count)), sealedAt: sealedAt))
      rest = rest.dropFirst(count)
      position = span.upperBound
    }
    return extents
  }

  private func finishSeal(_ plan: SealPlan) {
    let verifiedFrom = state.withLock { $0.inheritedEnd }
    chunks.add(plan.extents, verifiedFrom: verifiedFrom)
    let end = plan.range.upperBound
    state.change { state in
      state.sealed = end
      state.applied = plan.applied
      state.durable = max(state.durable, plan.applied)
      if let rest = state.checksumsPastSeal { state.checksums = rest }
      state.checksumsPastSeal = nil
      // Their checksums are the extents' now; what a seal of full chunks left of them is checked with the tail.
      state.dropInherited(below: end, from: plan.range.lowerBound)
    }
  }

  /// Makes the log's bytes below `lsn` durable in the WAL, then in the chunk files.
  func makeDurable(through lsn: LSN) throws(AofError) {
    try sync()
    try drain(through: lsn)
    do throws(AofError) {
      try services.localChunks.sync(id)
    } catch {
      failSync(error)
      throw error
    }
  }

  // MARK: In the background

  /// Queues a seal of the chunks that the tail has left, and an application of the tail if it has grown long since the
  /// last.
  func queueMaintenance() {
    let isDue = state.withLock { state in
      guard state.isMaintenanceDue(chunkSize) else { return false }
      state.isMaintenanceQueued = true
      return true
    }
    guard isDue else { return }
    services.maintenance.add { [self] in
      state.withLock { $0.isMaintenanceQueued = false }
      do throws(AofError) {
        try underMaintenance { () throws(AofError) in
          _ = try seal(upTo: { [chunkSize] in chunkSize.chunkStart(chunkSize.chunkID(for: $0.tail)) })
        }
        services.automaticCheckpoints.nudge()
        if state.withLock({ $0.isApplicationDue }) { try applyAndRecord() }
      } catch where error.code == .purged {
        return
      } catch {
        services.observation.report(error, "the tail of log \(id) could not be sealed or applied")
      }
    }
  }
}

extension LogState {
  func isMaintenanceDue(_ chunkSize: ChunkSize) -> Bool {
    !isMaintenanceQueued && (chunkSize.chunkID(for: tail) > chunkSize.chunkID(for: sealed) || isApplicationDue)
  }

  /// Whether a recovery would have much to read and to write again, although few segments of the WAL name it.
  var isApplicationDue: Bool { tail - applied >= Limits.longestUnappliedTail }
}

extension LogState {
  fileprivate mutating func dropInherited(below end: LSN, from start: LSN) {
    var position = start
    let count = inherited.prefix { frame in
      guard position < end else { return false }
      position = position + Int(frame.length)
      return true
    }.count
    inherited.removeFirst(count)
  }
}
