import AOFCore
import AOFFormat
import AOFSystem

extension Aof {
  /// A cursor at `lsn`. - Throws: `invalidArgument` past the tail.
  public func openCursor(at lsn: LSN = .zero) throws(AofError) -> AofCursor {
    var cursor = AofCursor(log: self, position: .zero, generation: generation, reader: LogReader(self))
    try cursor.seek(Int64(clamping: lsn.rawValue))
    return cursor
  }

  /// A cursor at any LSN; one past the tail reads nothing. Nothing is fetched ahead of it: that is for who makes a cursor
  /// for each read, and keeps a ``LogReader``.
  package func cursor(at lsn: LSN) -> AofCursor {
    AofCursor(log: self, position: lsn, generation: generation, reader: nil)
  }

  /// Reads from `lsn` on, up to the next chunk boundary or the end of what lies in the same place. 0 at the tail.
  /// - Throws: `belowHead`; `cutOff` if the log was cut below `lsn` since the generation of `hold`.
  func readSpan(
    at lsn: LSN, into buffer: UnsafeMutableRawBufferPointer, hold: inout ReadHold
  ) throws(AofError) -> AofCursor.ReadOutcome {
    while true {
      let (source, generation) = try state.withLock { state throws(AofError) in
        try state.check(lsn, since: hold.generation)
        return (state.source(of: lsn, into: buffer), state.generation)
      }
      hold.generation = generation
      let outcome: Result<AofCursor.ReadOutcome, AofError>
      do throws(AofError) {
        switch source {
        case .memory(let count): return .read(count)
        case .tailFile(let end): outcome = .success(try readTailFile(span(from: lsn, to: end, buffer), into: buffer))
        case .sealed(let end):
          outcome = .success(try readSealed(span(from: lsn, to: end, buffer), into: buffer, lease: &hold.lease))
        }
      } catch {
        outcome = .failure(error)
      }
      // The bytes may have been freed while they were read, and then zeros were read, or found damaged.
      if state.withLock({ $0.stillHas(source, at: lsn, of: generation) }) { return try outcome.get() }
    }
  }

  private func span(from lsn: LSN, to end: LSN, _ buffer: UnsafeMutableRawBufferPointer) -> Range<LSN> {
    chunkSize.firstSpan(of: lsn..<min(end, lsn + buffer.count))
  }

  // MARK: Sealed chunks

  private func readSealed(
    _ span: Range<LSN>, into buffer: UnsafeMutableRawBufferPointer, lease: inout ChunkLease?
  ) throws(AofError) -> AofCursor.ReadOutcome {
    let chunk = try chunks.chunk(chunkID(for: span.lowerBound))
    if lease?.id != chunk.id { lease = ChunkLease(chunk) }
    var wanted = span
    // Whether the buffer has it already: it was read to be verified.
    var isCopied = false
    while true {
      switch chunk.readiness(of: wanted) {
      case .ready(let end, let ahead):
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(end - span.lowerBound)])
        if !isCopied {
          try services.localChunks.read(into: target, of: id, at: span.lowerBound, chunkSize: chunkSize)
        }
        services.reads.hits.wrappingAdd(1, ordering: .relaxed)
        if ahead > 0 { services.hydrator.ahead.used.wrappingAdd(UInt64(ahead), ordering: .relaxed) }
        return .read(target.count)
      case .cold(let frame):
        let part = span.lowerBound..<min(span.upperBound, frame.range.upperBound)
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<part.byteCount])
        if services.hydrator.copy(frame, of: id, part, into: target) {
          services.reads.hits.wrappingAdd(1, ordering: .relaxed)
          return .read(part.byteCount)
        }
        // It may have left the memory for the chunk file just now.
        if case .ready = chunk.readiness(of: part) { continue }
        services.reads.misses.wrappingAdd(1, ordering: .relaxed)
        return .cold(span)
      case .unverified(let frame):
        let part = span.lowerBound..<min(span.upperBound, frame.range.upperBound)
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<part.byteCount])
        isCopied = try verify(frame, of: chunk, copying: part, into: target)
        if isCopied { wanted = part }
      case .gap(let lsn):
        throw AofError(
          .corrupt, "the manifest has no extent for LSN \(lsn) of log \(id), which is sealed",
          remedy: "run 'aofs verify' and restore the manifest from a backup")
      }
    }
  }

  /// Checks a frame in the chunk file against its checksum, before its first byte is served, and copies `part` of it.
  /// - Returns: false if that must be looked for elsewhere: it was damaged, and the remote holds it, or truncated meanwhile.
  /// - Throws: `corrupt` if it is damaged and the remote does not hold it.
  private func verify(
    _ frame: SealedChunk.Frame, of chunk: SealedChunk, copying part: Range<LSN>, into target: UnsafeMutableRawBufferPointer
  ) throws(AofError) -> Bool {
    var failure: AofError?
    do throws(AofError) {
      if try checksum(ofLocal: frame.range, copying: part, into: target) == frame.checksum {
        chunk.markVerified(frame)
        return true
      }
    } catch where error.code == .corrupt {
      failure = error
    }
    guard try isCurrent(frame, in: chunk) else { return false }
    let place = "chunk \(chunk.id) of log \(id), LSN \(frame.range.lowerBound)..<\(frame.range.upperBound)"
    services.observation.report(
      .damage,
      "\(place) does not match its checksum on the local disk"
        + (frame.object == nil ? "" : " and is fetched from the remote again"))
    guard frame.object != nil else {
      throw AofError(
        .corrupt, "\(place) is damaged, and the remote does not hold it",
        remedy: "restore \(id)'s chunk file from a backup", cause: failure)
    }
    chunk.markLost(frame)
    return false
  }

  /// Whether the frame is the log's still: one that was truncated or purged meanwhile is freed, not damaged.
  /// - Throws: `purged`.
  func isCurrent(_ frame: SealedChunk.Frame, in chunk: SealedChunk) throws(AofError) -> Bool {
    guard chunk.holds(frame) else { return false }
    if let purged = state.withLock({ $0.isPurged ? $0.failure : nil }) { throw purged }
    return true
  }

  /// As ``checksum(ofLocal:)``, and `part` of the bytes, whichever they are, go to `target`.
  private func checksum(
    ofLocal range: Range<LSN>, copying part: Range<LSN>, into target: UnsafeMutableRawBufferPointer
  ) throws(AofError) -> UInt32 {
    if part == range {
      try services.localChunks.read(into: target, of: id, at: range.lowerBound, chunkSize: chunkSize)
      return CRC32C.checksum(UnsafeRawBufferPointer(target))
    }
    return try withLocal(range) { bytes in
      let start = part.lowerBound - range.lowerBound
      target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + part.byteCount)]))
      return CRC32C.checksum(bytes)
    }
  }

  /// The CRC32C of what the chunk file holds for `range`, which lies in one frame.
  func checksum(ofLocal range: Range<LSN>) throws(AofError) -> UInt32 {
    try withLocal(range) { CRC32C.checksum($0) }
  }

  /// Reads what the chunk file holds for `range`, which lies in one frame.
  private func withLocal<Result>(_ range: Range<LSN>, _ body: (UnsafeRawBufferPointer) -> Result) throws(AofError) -> Result {
    let pool = services.hydrator.pool
    let memory = try pool.take(range.byteCount)
    defer { pool.giveBack(memory) }
    let bytes = UnsafeMutableRawBufferPointer(rebasing: memory[..<range.byteCount])
    try services.localChunks.read(into: bytes, of: id, at: range.lowerBound, chunkSize: chunkSize)
    return body(UnsafeRawBufferPointer(bytes))
  }

  /// The CRC32C of the part of a frame below `lsn`, of bytes that match the frame's own checksum. - Throws: `corrupt`.
  func checksum(of frame: SealedChunk.Frame, below lsn: LSN) throws(AofError) -> UInt32 {
    let (whole, part) = try withLocal(frame.range) { bytes in
      (
        CRC32C.checksum(bytes),
        CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<(lsn - frame.range.lowerBound)]))
      )
    }
    guard whole == frame.checksum else {
      throw AofError(
        .corrupt, "LSN \(frame.range.lowerBound)..<\(frame.range.upperBound) of log \(id) is damaged on the local disk",
        remedy: "run 'aofs verify' for the whole of it")
    }
    return part
  }

  // MARK: The tail in its chunk files

  private func readTailFile(
    _ span: Range<LSN>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(AofError) -> AofCursor.ReadOutcome {
    try verifyInherited(span)
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<span.byteCount])
    try services.localChunks.read(into: target, of: id, at: span.lowerBound, chunkSize: chunkSize)
    return .read(span.byteCount)
  }

  /// Checks what an earlier process left in the tail's chunk files, frame by frame, when it is first touched.
  private func verifyInherited(_ span: Range<LSN>) throws(AofError) {
    let pending: [(range: Range<LSN>, checksum: UInt32)] = state.withLock { state in
      guard span.lowerBound < state.inheritedEnd else { return [] }
      return state.inheritedFrames(overlapping: span)
    }
    for frame in pending {
      guard try checksum(ofLocal: frame.range) == frame.checksum else {
        throw AofError(
          .corrupt, "LSN \(frame.range.lowerBound)..<\(frame.range.upperBound) of log \(id) is damaged on the local disk",
          remedy: "run 'aofs verify' for the whole of it")
      }
      state.withLock { _ = $0.verifiedInherited.insert(frame.range.lowerBound) }
    }
  }
}

/// Where the bytes from an LSN on are.
private enum ReadSource {
  /// Copied from memory already.
  case memory(Int)
  /// In the chunk files, unsealed, up to this LSN.
  case tailFile(end: LSN)
  /// Sealed, up to this LSN.
  case sealed(end: LSN)
}

extension LogState {
  /// - Throws: `purged`; `belowHead`; `cutOff` if the log was cut below `lsn` since it was in `generation`.
  fileprivate func check(_ lsn: LSN, since generation: Generation) throws(AofError) {
    if isPurged, let failure { throw failure }
    if lsn < head {
      throw AofError(
        .belowHead, "LSN \(lsn) is below the head of the log, which is \(head)", remedy: "start at \(head)")
    }
    if let cut = cuts.lowest(since: generation), lsn > cut {
      throw AofError(
        .cutOff, "the log was cut at LSN \(cut), and LSN \(lsn) may hold other bytes since",
        remedy: "go on from LSN \(cut)")
    }
  }

  fileprivate func source(of lsn: LSN, into buffer: UnsafeMutableRawBufferPointer) -> ReadSource {
    if lsn < sealed { return .sealed(end: sealed) }
    if lsn < flushed { return .tailFile(end: flushed) }
    return .memory(self.buffer.copy(from: lsn, into: buffer))
  }

  /// Whether what was read at `lsn` still lies where it was read. No lease protects the tail: it may have been sealed,
  /// uploaded and evicted; and truncations wait only for the leases that they found.
  fileprivate func stillHas(_ source: ReadSource, at lsn: LSN, of generation: Generation) -> Bool {
    guard lsn >= head, generation == self.generation, !isPurged else { return false }
    if case .tailFile = source { return lsn >= sealed }
    return true
  }

  /// The inherited frames that hold bytes of `span` and were not verified yet.
  fileprivate func inheritedFrames(overlapping span: Range<LSN>) -> [(range: Range<LSN>, checksum: UInt32)] {
    var found: [(Range<LSN>, UInt32)] = []
    var position = sealed
    for frame in inherited where position < span.upperBound {
      let range = position..<(position + Int(frame.length))
      position = range.upperBound
      if range.overlaps(span), !verifiedInherited.contains(range.lowerBound) { found.append((range, frame.checksum)) }
    }
    return found
  }
}
