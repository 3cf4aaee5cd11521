import AOFCore
import AOFFormat
import AOFSystem

extension Aof {
  /// Appends the bytes as one unit and returns the LSN of the first. They are in the WAL file when it returns.
  /// With no bytes nothing happens.
  /// - Throws: `tooLarge` for more than ``Limits/maximumAppend`` bytes or past the largest LSN; `noSpace`,
  ///   `localFailure`, `readOnly`. After an error nothing of the bytes is in the log.
  @discardableResult
  public func append(_ bytes: UnsafeRawBufferPointer) throws(AofError) -> LSN {
    try append(bytes, expecting: nil)
  }

  /// As ``append(_:)-(UnsafeRawBufferPointer)``.
  @discardableResult
  public func append(_ bytes: [UInt8]) throws(AofError) -> LSN {
    try bytes.withTypedBytes { bytes throws(AofError) in try append(bytes, expecting: nil) }
  }

  /// Appends only if the tail is at `expected`. - Throws: `notAtTail`, and as ``append(_:)-(UnsafeRawBufferPointer)``.
  package func append(_ bytes: UnsafeRawBufferPointer, at expected: LSN) throws(AofError) {
    _ = try append(bytes, expecting: expected)
  }

  /// Appends several records, one after the other with nothing between them, with one write to the WAL.
  /// Each record is a unit of its own: after a power cut the first ones may be there without the last.
  /// - Returns: the LSN of each record.
  /// - Throws: `tooLarge` for more than ``Limits/maximumAppend`` bytes or 256 records; as
  ///   ``append(_:)-(UnsafeRawBufferPointer)``, and then none of them is in the log.
  @discardableResult
  public func appendBatch(_ records: [[UInt8]]) throws(AofError) -> [LSN] {
    let joined = records.flatMap { $0 }
    let first = try joined.withTypedBytes { joined throws(AofError) in
      var payloads: [UnsafeRawBufferPointer] = []
      var offset = 0
      for record in records where !record.isEmpty {
        payloads.append(UnsafeRawBufferPointer(rebasing: joined[offset..<(offset + record.count)]))
        offset += record.count
      }
      let checksums = payloads.map { CRC32C.checksum($0) }
      return try payloads.withTypedBuffer { payloads throws(AofError) in
        try checksums.withTypedBuffer { checksums throws(AofError) in
          try append(payloads, checksums, byteCount: joined.count, expecting: nil)
        }
      }
    }
    var lsn = first
    return records.map { record in
      defer { lsn = lsn + record.count }
      return lsn
    }
  }

  private func append(_ bytes: UnsafeRawBufferPointer, expecting expected: LSN?) throws(AofError) -> LSN {
    try withUnsafePointer(to: bytes) { payload throws(AofError) in
      try withUnsafePointer(to: CRC32C.checksum(bytes)) { checksum throws(AofError) in
        try append(
          UnsafeBufferPointer(start: payload, count: bytes.isEmpty ? 0 : 1),
          UnsafeBufferPointer(start: checksum, count: 1), byteCount: bytes.count, expecting: expected)
      }
    }
  }

  private func append(
    _ payloads: UnsafeBufferPointer<UnsafeRawBufferPointer>, _ checksums: UnsafeBufferPointer<UInt32>,
    byteCount: Int, expecting expected: LSN?
  ) throws(AofError) -> LSN {
    guard byteCount <= Limits.maximumAppend, payloads.count <= Committer.maximumFrames else {
      throw AofError(
        .tooLarge, "one append takes at most \(Limits.maximumAppend) bytes in \(Committer.maximumFrames) records",
        remedy: "split it")
    }
    guard !payloads.isEmpty else {
      let tail = tailLSN
      guard expected == nil || expected == tail else { throw Self.notAtTail(expected: expected, tail: tail) }
      return tail
    }
    var pending = PendingAppend(
      payloads: payloads, checksums: checksums, byteCount: byteCount, expected: expected, log: self)
    try wal.append(&pending)
    queueSealOfFullChunks()
    return pending.lsn
  }

  static func notAtTail(expected: LSN?, tail: LSN) -> AofError {
    AofError(
      .notAtTail, "a write at offset \(expected ?? .zero) does not land at the tail, which is \(tail)",
      remedy: "open the log for appending")
  }

  /// Makes all that was appended before the call survive power loss. Concurrent callers, of any log of the same
  /// WAL, share one flush; with nothing new there is none.
  /// - Throws: `localFailure`, for good: a failed sync is never retried into success.
  public func sync() throws(AofError) {
    // A log that is damaged or was failed by an earlier sync must not call anything durable, nor one whose WAL failed.
    if let failure { throw failure }
    let (target, tail) = state.withLock { ($0.lastFrame, $0.tail) }
    do throws(AofError) {
      try wal.sync(through: target)
    } catch {
      fail(error)
      throw error
    }
    state.withLock { $0.durable = max($0.durable, tail) }
  }
}

// MARK: - The committer's side

extension Aof {
  /// Reserves the next bytes of the log and copies the payloads there, still invisible.
  /// - Returns: the LSN of the first byte; nil if room must be made first.
  /// - Throws: what keeps this append from ever succeeding.
  func reserve(_ pending: PendingAppend) throws(AofError) -> LSN? {
    let (block, offset, lsn) = try state.withLock { state throws(AofError) in
      try check(pending, state)
      let lsn = state.reserved
      guard pending.byteCount <= TailBuffer.largestBuffered else { return (nil as TailBlock?, 0, lsn) }
      if state.buffer.active == nil { state.buffer.startBlock(at: lsn, for: pending.byteCount) }
      guard state.buffer.hasRoom(for: pending.byteCount), let block = state.buffer.active else {
        return (nil, 0, lsn)
      }
      let offset = block.reserved
      block.reserved += pending.byteCount
      state.reserved = lsn + pending.byteCount
      return (block, offset, lsn)
    }
    guard let block else { return nil }
    var target = block.memory + offset
    for payload in pending.payloads {
      guard let base = payload.baseAddress else { continue }
      target.copyMemory(from: base, byteCount: payload.count)
      target += payload.count
    }
    return lsn
  }

  /// As ``reserve(_:)``, when nothing of the log is reserved and not yet visible: moves the buffer to the chunk
  /// file, then buffers the payloads or, if they are large, writes them there too. Bytes of a chunk file past the
  /// tail mean nothing, so an append that fails later leaves nothing behind.
  func reserveAfterMakingRoom(_ pending: PendingAppend) throws(AofError) -> LSN {
    // The append may be refused for good, and then the buffer can stay as it is.
    try state.withLock { state throws(AofError) in try check(pending, state) }
    try drain(through: tailLSN)
    if let lsn = try reserve(pending) { return lsn }
    let lsn = state.withLock { $0.reserved }
    var position = lsn
    for payload in pending.payloads {
      try services.localChunks.write(payload, of: id, at: position, chunkSize: chunkSize)
      position = position + payload.count
    }
    state.withLock { $0.reserved = position }
    return lsn
  }

  private func check(_ pending: PendingAppend, _ state: LogState) throws(AofError) {
    if let failure = state.failure { throw failure }
    if let expected = pending.expected, expected != state.reserved {
      throw Self.notAtTail(expected: expected, tail: state.reserved)
    }
    guard state.reserved.advanced(byAtMost: pending.byteCount) != nil else {
      throw AofError(.tooLarge, "the log has reached the largest LSN", remedy: "go on in a new log")
    }
  }

  /// Takes back all reservations, whose frames could not be written.
  func cancelReserved() {
    state.change { state in
      state.reserved = state.tail
      guard let block = state.buffer.active else { return }
      block.reserved = block.count
      if block.count == 0 { state.buffer.active = nil }
    }
  }

  /// Makes reserved bytes visible: their frames are written, up to the WAL position `end`.
  func publish(_ pending: PendingAppend, through end: WalPosition, time: UnixTime) {
    state.change { state in
      if let block = state.buffer.active, block.end == pending.lsn, block.reserved > block.count {
        block.count += pending.byteCount
      } else {
        state.flushed = pending.lsn + pending.byteCount
      }
      state.tail = pending.lsn + pending.byteCount
      state.lastFrame = end
      state.lastAppend = time
      for payload in pending.payloads {
        state.checksums.append(payload, time: time)
        state.checksumsPastSeal?.append(payload, time: time)
      }
    }
  }

  /// Moves everything visible below `lsn` from memory to the chunk files.
  func drain(through lsn: LSN) throws(AofError) {
    while true {
      let block: TailBlock? = state.wait { state in
        if state.flushed >= lsn { return .some(nil) }
        // Reserved bytes belong to the committer until they are visible.
        if state.buffer.isDraining { return nil }
        if let active = state.buffer.active, state.buffer.draining == nil, active.reserved != active.count {
          return nil
        }
        return .some(state.buffer.beginDraining())
      }
      guard let block else { return }
      do throws(AofError) {
        try services.localChunks.write(block.bytes, of: id, at: block.start, chunkSize: chunkSize)
      } catch {
        state.change { $0.buffer.isDraining = false }
        throw error
      }
      state.change { state in
        state.flushed = block.end
        state.buffer.draining = nil
        state.buffer.isDraining = false
      }
    }
  }
}
