import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

extension Aof {
  /// Brings the frames of `range`, nil for the whole log, back to the local disk. Waits for the remote.
  /// - Returns: the bytes of log that were brought back.
  /// - Throws: `remoteFailure`, `corrupt`; `noSpace`, `quotaExceeded` where they do not fit; local failures.
  @discardableResult
  public func hydrate(_ range: Range<LSN>? = nil) throws(AofError) -> ByteCount {
    let wanted = sealedPart(of: range)
    let cold = try coldBytes(in: wanted)
    var position = wanted.lowerBound
    while position < wanted.upperBound {
      let end = min(wanted.upperBound, LSN(rawValue: (position.rawValue / Self.plannedAtOnce + 1) * Self.plannedAtOnce))
      let result = Monitor<Result<Void, AofError>?>(nil)
      try services.hydrator.hydrate(self, position..<end) { outcome in result.change { $0 = outcome } }
      try result.wait { $0 }.get()
      position = end
    }
    return ByteCount(rawValue: UInt64(cold))
  }

  /// Of a log that is to come back as a whole: what is known of its frames must not fill the memory. In bytes.
  private static let plannedAtOnce: UInt64 = 4 << 30

  /// Brings back the frames of `range` in the background, to be read at once: to the local disk, or where that has no room
  /// into memory. Then calls `whenDone` once, on a thread of the hydrator's; until that returns they stay readable.
  package func fetch(_ range: Range<LSN>, whenDone: @escaping @Sendable (Result<Void, AofError>) -> Void) {
    do throws(AofError) {
      try services.hydrator.fetch(self, range, whenDone: whenDone)
    } catch {
      whenDone(.failure(error))
    }
  }

  /// Bytes of `range`, nil for the whole log, that are sealed and not on the local disk.
  package func coldBytes(in range: Range<LSN>?) throws(AofError) -> Int {
    let wanted = sealedPart(of: range)
    var bytes = 0
    try forEachSealedChunk(in: wanted) { chunk in
      bytes += chunk.coldFrames(in: wanted).reduce(0) { $0 + $1.range.byteCount }
    }
    return bytes
  }

  /// What of `range`, nil for the whole log, is sealed.
  private func sealedPart(of range: Range<LSN>?) -> Range<LSN> {
    let marks = watermarks
    return range.map { $0.clamped(to: marks.head..<marks.sealed) } ?? marks.head..<marks.sealed
  }

  /// Calls `body` with every chunk with sealed extents, or those of them that hold bytes of `range`, in the order of their
  /// ids. What is known of one may leave memory when the next one's turn has come.
  func forEachSealedChunk(
    in range: Range<LSN>? = nil, _ body: (SealedChunk) throws(AofError) -> Void
  ) throws(AofError) {
    let wanted = sealedPart(of: range)
    guard !wanted.isEmpty else { return }
    let last = chunkID(for: LSN(rawValue: wanted.upperBound.rawValue - 1))
    for id in chunkID(for: wanted.lowerBound).rawValue...last.rawValue {
      try body(chunks.chunk(ChunkID(rawValue: id)))
    }
  }

  /// Frees the local copies of what the remote holds, but for the last `bytes` of the log. Chunks under lease stay.
  /// - Throws: `fenced` once another writer has taken over the remote; local failures.
  /// - Returns: the bytes of log that left the local disk.
  @discardableResult
  public func evict(keepingLast bytes: Int = 0) throws(AofError) -> ByteCount {
    try underMaintenance { () throws(AofError) in
      try discardStrays()
      var freed: UInt64 = 0
      // A log may have millions of chunks that are nowhere but in the remote. What came back since is known to those in memory.
      let local = try services.manifest.residentChunks(of: id).union(chunks.loaded.map(\.id)).sorted()
      try forEachPiece(of: local) { chunks throws(AofError) in
        freed += try evict(chunks.map { ($0, nil) }, keepingLast: bytes).rawValue
      }
      return ByteCount(rawValue: freed)
    }
  }

  /// As the above, of these frames of these chunks alone, nil for all of them. The caller does the log's maintenance.
  func evict(
    _ chunks: [(SealedChunk, [SealedChunk.Selection]?)], keepingLast bytes: Int
  ) throws(AofError) -> ByteCount {
    // Whoever has taken the remote over may have deleted what is here.
    if let fence = services.checkpointer.fence { throw fence }
    let tail = tailLSN
    let limit = LSN(rawValue: tail.rawValue - min(tail.rawValue, UInt64(bytes)))
    var claims: [(chunk: SealedChunk, claim: SealedChunk.EvictionClaim)] = []
    defer { for (chunk, _) in claims { chunk.endEviction() } }
    for (chunk, selections) in chunks {
      if let claim = chunk.beginEviction(below: limit, selections), !claim.ranges.isEmpty { claims.append((chunk, claim)) }
    }
    var evicted = 0
    do throws(AofError) {
      // The manifest first: a crash in between leaves bytes that nobody counts on, never a hole that somebody does.
      try services.reserve.tidingOver { () throws(AofError) in
        try services.manifest.recordResidency(claims.flatMap { $0.claim.residency.map { (id, $0.range, $0.map) } })
      }
      for range in claims.flatMap(\.claim.ranges) {
        try services.localChunks.discard(range, of: id, chunkSize: chunkSize)
        evicted += range.byteCount
      }
    } catch {
      // They count as gone, and take their space until somebody looks for what does.
      state.withLock { $0.hasDiscardedStrays = false }
      services.evictor.hasDiscardedStrays.withLock { $0 = false }
      services.evictor.foundMore()
      throw error
    }
    let left = claims.flatMap { chunk, claim in
      claim.ranges.flatMap { CacheGroup.covering($0, of: id, chunkSize).map(\.group) }.map { group in
        (group, chunk.residentBytes(in: group.range(chunkSize)))
      }
    }
    services.cacheOrder.withLock { order in for (group, bytes) in left { order.resize(group, to: bytes) } }
    let unread = claims.reduce(0) { $0 + $1.claim.unread }
    if unread > 0 { services.hydrator.ahead.wasted.wrappingAdd(UInt64(unread), ordering: .relaxed) }
    let freed = ByteCount(rawValue: UInt64(evicted))
    if evicted > 0 { services.observation.report(.eviction(id, freed)) }
    // Space came back, and what a full disk had to give up may be set aside again.
    services.reserve.refill()
    return freed
  }

  /// Frees what the chunk files hold of frames that count as gone: a process that was killed had brought these back, and
  /// had not written that down. Done once, for this process writes all down. The caller does the log's maintenance.
  func discardStrays() throws(AofError) {
    guard state.withLock({ !$0.hasDiscardedStrays }) else { return }
    try forEachPiece(of: services.localChunks.chunks(of: id)) { chunks throws(AofError) in
      for chunk in chunks {
        let ranges = chunk.beginDiscarding()
        defer { chunk.endEviction() }
        for range in ranges { try services.localChunks.discard(range, of: id, chunkSize: chunkSize) }
      }
    }
    state.withLock { $0.hasDiscardedStrays = true }
  }

  /// Calls `body` with some of the chunks at a time. Who does the log's maintenance keeps the thread out that lets go of
  /// chunks in the background, so here that is done in between. The caller does the log's maintenance.
  private func forEachPiece(
    of numbers: [ChunkID], _ body: ([SealedChunk]) throws(AofError) -> Void
  ) throws(AofError) {
    // So few that the table is never crowded, if nobody else loads chunks.
    for piece in numbers.pieces(of: ChunkTable.kept / 2) {
      try unloadChunks()
      try body(piece.map { number throws(AofError) in try chunks.chunk(number) })
    }
    try unloadChunks()
  }

  // MARK: What the manifest knows

  /// Writes down which frames are on the local disk, so that the next opening need not fetch them again.
  func recordResidency() throws(AofError) {
    var changes: [(chunk: SealedChunk, range: Range<LSN>, residency: Bitmap)] = []
    for chunk in chunks.loaded {
      for extent in chunk.extents where extent.resident != extent.record.residency {
        changes.append((chunk, extent.record.range, extent.resident))
      }
    }
    try services.manifest.recordResidency(changes.map { (id, $0.range, $0.residency) })
    for (chunk, range, residency) in changes { chunk.didRecord(residency, of: range) }
  }

  /// Lets go in the background of chunks that nobody uses: there are more of them than memory should hold.
  func queueUnloading() {
    services.maintenance.add { [self] in
      do throws(AofError) {
        try underMaintenance { () throws(AofError) in try recordResidency() }
      } catch {
        services.observation.report(error, "what of log \(id) is on the local disk could not be written down")
      }
      chunks.unload()
    }
  }

  /// Lets go of chunks that nobody uses, if memory should not hold more. The caller does the log's maintenance.
  private func unloadChunks() throws(AofError) {
    guard chunks.loaded.count > ChunkTable.kept else { return }
    try recordResidency()
    chunks.unload()
  }
}
