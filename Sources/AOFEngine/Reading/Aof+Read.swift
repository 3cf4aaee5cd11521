import AOFCore
import AOFFormat
import AOFSystem

extension Aof {
  /// A cursor at `lsn`. - Throws: `invalidArgument` past the tail.
  public func openCursor(at lsn: LSN = .zero) throws(AofError) -> AofCursor {
    var cursor = AofCursor(log: self, position: .zero)
    try cursor.seek(Int64(clamping: lsn.rawValue))
    return cursor
  }

  /// A cursor at any LSN; one past the tail reads nothing.
  package func cursor(at lsn: LSN) -> AofCursor { AofCursor(log: self, position: lsn) }

  /// Where the bytes from an LSN on are.
  private enum Source {
    /// Copied from memory already.
    case memory(Int)
    /// In the chunk files, unsealed, up to this LSN.
    case tailFile(end: LSN)
    /// Sealed, up to this LSN.
    case sealed(end: LSN)
  }

  /// Reads from `lsn` on, up to the next chunk boundary or the end of what lies in the same place. 0 at the tail.
  func readSpan(
    at lsn: LSN, into buffer: UnsafeMutableRawBufferPointer, lease: inout ChunkLease?
  ) throws(AofError) -> AofCursor.ReadOutcome {
    let source = try state.withLock { state throws(AofError) -> Source in
      if lsn < state.sealed {
        guard lsn >= state.head else { throw Self.belowHead(lsn, head: state.head) }
        return .sealed(end: state.sealed)
      }
      if lsn < state.flushed { return .tailFile(end: state.flushed) }
      return .memory(state.buffer.copy(from: lsn, into: buffer))
    }
    switch source {
    case .memory(let count): return .read(count)
    case .tailFile(let end): return try readTailFile(span(from: lsn, to: end, buffer), into: buffer, lease: &lease)
    case .sealed(let end): return try readSealed(span(from: lsn, to: end, buffer), into: buffer, lease: &lease)
    }
  }

  private func span(from lsn: LSN, to end: LSN, _ buffer: UnsafeMutableRawBufferPointer) -> Range<LSN> {
    chunkSize.firstSpan(of: lsn..<min(end, lsn + buffer.count))
  }

  private static func belowHead(_ lsn: LSN, head: LSN) -> AofError {
    AofError(.belowHead, "LSN \(lsn) is below the head of the log, which is \(head)", remedy: "start at \(head)")
  }

  // MARK: Sealed chunks

  private func readSealed(
    _ span: Range<LSN>, into buffer: UnsafeMutableRawBufferPointer, lease: inout ChunkLease?
  ) throws(AofError) -> AofCursor.ReadOutcome {
    let chunk = try chunks.chunk(chunkID(for: span.lowerBound))
    if lease?.id != chunk.id { lease = ChunkLease(chunk) }
    while true {
      switch chunk.readiness(of: span) {
      case .ready:
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<span.byteCount])
        try services.localChunks.read(into: target, of: id, at: span.lowerBound, chunkSize: chunkSize)
        return .read(span.byteCount)
      case .cold:
        return .cold(span)
      case .unverified(let frame):
        try verify(frame, of: chunk)
      case .gap(let lsn):
        throw AofError(
          .corrupt, "the manifest has no extent for LSN \(lsn) of log \(id), which is sealed",
          remedy: "run 'aofs verify' and restore the manifest from a backup")
      }
    }
  }

  /// Checks a frame in the chunk file against its checksum, before its first byte is served.
  /// - Throws: `corrupt` if it is damaged and the remote does not hold it.
  private func verify(_ frame: SealedChunk.Frame, of chunk: SealedChunk) throws(AofError) {
    var failure: AofError?
    do throws(AofError) {
      if try checksum(ofLocal: frame.range) == frame.checksum { return chunk.markVerified(frame) }
    } catch where error.code == .corrupt {
      failure = error
    }
    let place = "chunk \(chunk.id) of log \(id), LSN \(frame.range.lowerBound)..<\(frame.range.upperBound)"
    services.incidents.report(
      "\(place) does not match its checksum on the local disk"
        + (frame.object == nil ? "" : " and is fetched from the remote again"))
    guard frame.object != nil else {
      throw AofError(
        .corrupt, "\(place) is damaged, and the remote does not hold it",
        remedy: "restore \(id)'s chunk file from a backup", cause: failure)
    }
    chunk.markLost(frame)
  }

  /// The CRC32C of what the chunk file holds for `range`, which lies in one frame.
  func checksum(ofLocal range: Range<LSN>) throws(AofError) -> UInt32 {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: range.byteCount, alignment: 4096)
    defer { buffer.deallocate() }
    try services.localChunks.read(into: buffer, of: id, at: range.lowerBound, chunkSize: chunkSize)
    return CRC32C.checksum(UnsafeRawBufferPointer(buffer))
  }

  // MARK: The tail in its chunk files

  private func readTailFile(
    _ span: Range<LSN>, into buffer: UnsafeMutableRawBufferPointer, lease: inout ChunkLease?
  ) throws(AofError) -> AofCursor.ReadOutcome {
    var failure: AofError?
    do throws(AofError) {
      try verifyInherited(span)
      let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<span.byteCount])
      try services.localChunks.read(into: target, of: id, at: span.lowerBound, chunkSize: chunkSize)
    } catch {
      failure = error
    }
    // No lease protects the tail: were it sealed, uploaded and evicted meanwhile, zeros would have been read, or found
    // damaged. How far it was sealed is known anew only now, and may be less than the span.
    guard state.withLock({ span.lowerBound >= $0.sealed }) else {
      return try readSpan(at: span.lowerBound, into: buffer, lease: &lease)
    }
    if let failure { throw failure }
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

extension LogState {
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
