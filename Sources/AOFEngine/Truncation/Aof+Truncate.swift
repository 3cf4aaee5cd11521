import AOFCore
import AOFManifest
import AOFSystem

extension Aof {
  /// Forgets what lies below an LSN, or at and past it. Durable when it returns; the space goes back at once, and the
  /// remote learns of it with the next checkpoint.
  ///
  /// *Head:* whole pages go. What is not sealed yet and goes is sealed first. *Tail:* a new generation begins at the LSN.
  /// If an extent that is not wholly on the local disk would be split, its rest is brought back first, from the remote.
  ///
  /// First the leases are waited for that there are on chunks which lose bytes. Reads see what goes until it is decided.
  /// - Returns: where the log begins, or ends, now. With nothing to forget nothing happens.
  /// - Throws: `invalidArgument` for an LSN that is not in the log; `timedOut`, `interrupted`, and `busy` while another
  ///   truncation of the log is under way: then nothing has gone; `remoteFailure`; local failures.
  @discardableResult
  public func truncate(_ request: TruncationRequest) throws(AofError) -> LSN {
    try state.withLock { state throws(AofError) in
      guard !state.isTruncating else {
        throw AofError(.busy, "another truncation of log \(id) is under way", remedy: "try again when it is done")
      }
      state.isTruncating = true
    }
    defer { state.change { $0.isTruncating = false } }
    if let failure { throw failure }
    // Space came back, and what a full disk had to give up may be set aside again.
    defer { services.reserve.refill() }
    return switch request.direction {
    case .head: try trim(request)
    case .tail: try cut(request)
    }
  }

  /// Runs `body` while no truncation of the log is under way, once the one that is, is done. - Throws: `timedOut`.
  func asOnlyTruncation(atMost timeout: Duration, _ body: () throws(AofError) -> Void) throws(AofError) {
    let isAlone: Void? = state.wait(atMost: timeout.wholeMilliseconds) { state in
      if state.isTruncating { return nil }
      state.isTruncating = true
      return ()
    }
    guard isAlone != nil else { throw AofError(.timedOut, "a truncation of log \(id) is under way") }
    defer { state.change { $0.isTruncating = false } }
    try body()
  }

  private func waitForLeases(_ request: TruncationRequest, on range: Range<LSN>) throws(AofError) {
    guard !range.isEmpty else { return }
    try request.waitForLeases(
      on: chunks.loaded.filter { chunkStart($0.id) < range.upperBound && chunkEnd($0.id) > range.lowerBound })
  }

  private func outside(_ lsn: LSN, _ marks: Watermarks) -> AofError {
    AofError(
      .invalidArgument, "LSN \(lsn) is not in the log, which is LSN \(marks.head) to \(marks.tail)",
      remedy: "name an LSN in it")
  }

  // MARK: Head

  private func trim(_ request: TruncationRequest) throws(AofError) -> LSN {
    let marks = watermarks
    guard request.lsn <= marks.tail else { throw outside(request.lsn, marks) }
    let head = LSN(rawValue: request.lsn.rawValue - request.lsn.rawValue % UInt64(Limits.trimUnit))
    guard head > marks.head else { return marks.head }
    try waitForLeases(request, on: marks.head..<min(head, marks.sealed))
    try underMaintenance { () throws(AofError) in
      if head > state.withLock({ $0.sealed }) { _ = try seal(upTo: { $0.tail }) }
      try request.checkCancellation()
      let kept = try services.reserve.tidingOver { () throws(AofError) in
        try services.manifest.recordTrim(of: id, to: head)
      }
      // The mark first: whoever read what now goes looks at it again before answering.
      state.change { state in
        state.head = head
        state.remote = max(state.remote, head)
      }
      for chunk in chunks.trim(below: head, keeping: kept) { chunk.waitForFills() }
      leaveCache(CacheGroup.numbers(between: marks.head, and: head, chunkSize))
      freeBelowHead()
    }
    services.observation.report(.trim(id, head))
    services.observation.marks.moved()
    return head
  }

  // MARK: Tail

  private func cut(_ request: TruncationRequest) throws(AofError) -> LSN {
    let lsn = request.lsn
    let marks = watermarks
    guard lsn >= marks.head, lsn <= marks.tail else { throw outside(lsn, marks) }
    guard lsn < marks.tail else { return lsn }
    guard let next = generation.next else {
      throw AofError(.unsupported, "log \(id) has used up its generations", remedy: "go on in a new log")
    }
    try waitForLeases(request, on: lsn..<max(lsn, marks.sealed))
    // Frames of the WAL count no more once their generation ends, so what stays must be in the chunk files.
    if lsn > marks.sealed { try sealTail() }
    let chunk = try chunks.chunk(chunkID(for: lsn))
    try ChunkLease.holding(chunk) { () throws(AofError) in
      var isDone = false
      while !isDone {
        let split = try prepareSplit(at: lsn, of: chunk)
        isDone = try underMaintenance { () throws(AofError) in
          // The extent may have become a part of another one meanwhile, whose other parts are not here.
          guard isStill(split, at: lsn, of: chunk) else { return false }
          // No append is under way meanwhile, and none begins before the old bytes are gone from the chunk files.
          try asOnlyAppender { () throws(AofError) in
            try drain(through: tailLSN)
            try wal.asCommitter { () throws(AofError) in
              try request.checkCancellation()
              try cut(at: lsn, beginning: next, checksum: split?.checksum)
            }
            freePastTail()
          }
          return true
        }
      }
    }
    services.observation.report(.truncation(id, lsn, next))
    return lsn
  }

  /// Decides the cut, and does it. The caller does the log's maintenance, is its only appender and the committer, and has
  /// left nothing in the buffer.
  private func cut(at lsn: LSN, beginning next: Generation, checksum: UInt32?) throws(AofError) {
    let time = services.environment.clock.now()
    let (kept, remote) = try services.reserve.tidingOver { () throws(AofError) in
      try services.manifest.recordCut(of: id, at: lsn, generation: next, checksum: checksum, time: time)
    }
    let end = tailLSN
    state.change { $0.cut(at: lsn, generation: next, remote: remote, time: time) }
    committingGeneration = next
    wal.forgetFrames(of: self, past: lsn)
    for chunk in chunks.cut(at: lsn, keeping: kept) { chunk.waitForFills() }
    leaveCache(CacheGroup.numbers(from: lsn, to: end, chunkSize))
  }

  /// The extent that a cut splits.
  private struct Split {
    let extent: AofChunkRecord
    /// Of what stays of the frame that is split; nil if the cut lies between two.
    let checksum: UInt32?
  }

  /// Sees to it that what stays of the extent that `lsn` splits is sound on the local disk, durably: its object will not be
  /// its own any more. Waits for the remote where it is not.
  /// - Returns: nil if no extent is split.
  /// - Throws: `corrupt` if what stays is damaged, and no object holds it, or comes back damaged each time.
  private func prepareSplit(at lsn: LSN, of chunk: SealedChunk) throws(AofError) -> Split? {
    for attempt in 1...Self.splitAttempts {
      guard let extent = chunk.extents.first(where: { $0.record.isSplit(at: lsn) }) else { return nil }
      if extent.record.object != nil {
        let kept = extent.record.range.lowerBound..<lsn
        try hydrate(kept)
        guard try areSound(in: kept, of: chunk) else { continue }
        try makeCopiesDurable(in: chunk.id)
      }
      let frame = extent.frame(at: extent.record.frame(holding: lsn).index)
      guard frame.range.lowerBound < lsn else { return Split(extent: extent.record, checksum: nil) }
      do throws(AofError) {
        return Split(extent: extent.record, checksum: try checksum(of: frame, below: lsn))
      } catch where error.code == .corrupt && frame.object != nil && attempt < Self.splitAttempts {
        chunk.markLost(frame)
      }
    }
    throw AofError(
      .corrupt, "what stays of chunk \(chunk.id) of log \(id) does not match its checksums, however often it is fetched",
      remedy: "check the local disk; nothing was cut")
  }

  /// Compares the frames of `range` that are not known to be sound with their checksums.
  /// - Returns: whether all are; those that are not count as gone.
  private func areSound(in range: Range<LSN>, of chunk: SealedChunk) throws(AofError) -> Bool {
    var areSound = true
    for extent in chunk.extents where extent.record.range.overlaps(range) {
      for frame in extent.frames(in: range.clamped(to: extent.record.range)) where !extent.verified[frame.index] {
        if extent.resident[frame.index], try fault(ofLocal: frame) == nil {
          chunk.markVerified(frame)
        } else {
          chunk.markLost(frame)
          areSound = false
        }
      }
    }
    return areSound
  }

  /// Whether the extent that is split at `lsn` is the one that was prepared.
  private func isStill(_ split: Split?, at lsn: LSN, of chunk: SealedChunk) -> Bool {
    let now = chunk.extents.first { $0.record.isSplit(at: lsn) }
    guard let split, let now else { return split == nil && now == nil }
    guard now.record.isSameRun(as: split.extent), now.record.object == split.extent.object else { return false }
    return now.record.object == nil
      || now.frames(in: now.record.range.lowerBound..<lsn).allSatisfy { now.verified[$0.index] }
  }

  /// How often a damaged frame is fetched again before a cut is given up.
  private static let splitAttempts = 3

  private func makeCopiesDurable(in chunk: ChunkID) throws(AofError) {
    do throws(AofError) {
      try services.localChunks.syncCopies(of: id, in: chunk)
    } catch {
      failSync(error)
      throw error
    }
  }
}

extension LogState {
  /// Ends the log at `lsn`, which is sealed; nothing is reserved, and nothing in the buffer.
  fileprivate mutating func cut(at lsn: LSN, generation: Generation, remote: LSN, time: UnixTime) {
    cuts.add(lsn, beginning: generation)
    self.generation = generation
    generationStart = lsn
    self.remote = remote
    sealed = lsn
    applied = lsn
    flushed = lsn
    durable = lsn
    tail = lsn
    reserved = lsn
    largeEnd = lsn
    largeSynced = lsn
    lastAppend = time
    checksums = FrameAccumulator(start: lsn)
    inherited = []
    verifiedInherited = []
  }
}
