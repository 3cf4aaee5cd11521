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
      try checkSize(joined.count, records: payloads.count)
      wal.gate.pass()
      if services.cache.isFull { try makeRoomForAppend() }
      if joined.count > Limits.largestInlineAppend {
        return try payloads.withTypedBuffer { payloads throws(AofError) in
          try appendLarge(payloads, byteCount: joined.count, expecting: nil)
        }
      }
      let inline = payloads.map { AppendRecord(payload: $0, body: $0, bodyChecksum: CRC32C.checksum($0)) }
      return try inline.withTypedBuffer { records throws(AofError) in
        try append(records, byteCount: joined.count, expecting: nil)
      }
    }
    var lsn = first
    return records.map { record in
      defer { lsn = lsn + record.count }
      return lsn
    }
  }

  private func append(_ bytes: UnsafeRawBufferPointer, expecting expected: LSN?) throws(AofError) -> LSN {
    wal.gate.pass()
    if services.cache.isFull { try makeRoomForAppend() }
    if bytes.count > Limits.largestInlineAppend {
      return try [bytes].withTypedBuffer { records throws(AofError) in
        try appendLarge(records, byteCount: bytes.count, expecting: expected)
      }
    }
    let record = AppendRecord(payload: bytes, body: bytes, bodyChecksum: CRC32C.checksum(bytes))
    return try withUnsafePointer(to: record) { record throws(AofError) in
      try append(
        UnsafeBufferPointer(start: record, count: bytes.isEmpty ? 0 : 1), byteCount: bytes.count, expecting: expected)
    }
  }

  private func append(
    _ records: UnsafeBufferPointer<AppendRecord>, byteCount: Int, expecting expected: LSN?
  ) throws(AofError) -> LSN {
    guard !records.isEmpty else {
      let tail = tailLSN
      guard expected == nil || expected == tail else { throw Self.notAtTail(expected: expected, tail: tail) }
      return tail
    }
    try services.reserve.admitGrowth()
    var pending = PendingAppend(.inline, records, byteCount: byteCount, expected: expected, log: self)
    try wal.append(&pending)
    while case .mustMakeRoom = pending.phase {
      try drainFullBlock()
      try wal.append(&pending)
    }
    if pending.leavesFullBlock || pending.isMaintenanceDue {
      finishAppend(leavesFullBlock: pending.leavesFullBlock, isMaintenanceDue: pending.isMaintenanceDue)
    }
    return pending.lsn
  }

  /// What an append leaves to do that nobody needs to wait for.
  func finishAppend(leavesFullBlock: Bool, isMaintenanceDue: Bool) {
    if leavesFullBlock {
      // A block that stays full is reported to the append that finds no room for want of it.
      do throws(AofError) { try drainFullBlock() } catch {}
    }
    if isMaintenanceDue { queueMaintenance() }
  }

  func checkSize(_ byteCount: Int, records: Int) throws(AofError) {
    guard byteCount <= Limits.maximumAppend, records <= Committer.maximumFrames else {
      throw AofError(
        .tooLarge, "one append takes at most \(Limits.maximumAppend) bytes in \(Committer.maximumFrames) records",
        remedy: "split it")
    }
  }

  static func notAtTail(expected: LSN?, tail: LSN) -> AofError {
    AofError(
      .notAtTail, "a write at offset \(expected ?? .zero) does not land at the tail, which is \(tail)",
      remedy: "open the log for appending")
  }
}

// MARK: - The committer's side

/// What a log has for an append.
enum Reservation {
  /// Room from this LSN on, and how far the log is durable.
  case reserved(LSN, durable: LSN)
  /// The append waits for a large one.
  case deferred
  /// Only once what is reserved is visible.
  case afterPublishing
  /// Only once a full block is in the chunk file.
  case noRoom
}

extension Aof {
  /// Reserves the next bytes of the log and copies the payloads there, still invisible.
  /// - Throws: what keeps this append from ever succeeding.
  func reserve(_ pending: UnsafeMutablePointer<PendingAppend>) throws(AofError) -> Reservation {
    let byteCount = pending.pointee.byteCount
    var target: UnsafeMutableRawPointer?
    let reservation = try state.withLock { state throws(AofError) -> Reservation in
      if state.mustDefer(pending) { return .deferred }
      try check(byteCount, expected: pending.pointee.expected, state)
      let lsn = state.reserved
      guard case .inline = pending.pointee.kind else {
        state.reserved = lsn + byteCount
        return .reserved(lsn, durable: state.durable)
      }
      switch state.buffer.reserve(byteCount, at: lsn) {
      case .afterPublishing: return .afterPublishing
      case .afterDraining: return .noRoom
      case .reserved(let block, let offset):
        target = block.memory + offset
        pending.pointee.leavesFullBlock = state.buffer.draining != nil && !state.buffer.isDraining
        state.reserved = lsn + byteCount
        return .reserved(lsn, durable: state.durable)
      }
    }
    if var target {
      for record in pending.pointee.records {
        guard let base = record.payload.baseAddress else { continue }
        target.copyMemory(from: base, byteCount: record.payload.count)
        target += record.payload.count
      }
    }
    return reservation
  }

  /// - Throws: why the log takes no append of `byteCount` bytes now.
  func check(_ byteCount: Int, expected: LSN?, _ state: LogState) throws(AofError) {
    if let failure = state.failure { throw failure }
    if let expected, expected != state.reserved {
      throw Self.notAtTail(expected: expected, tail: state.reserved)
    }
    guard state.reserved.advanced(byAtMost: byteCount) != nil else {
      throw AofError(.tooLarge, "the log has reached the largest LSN", remedy: "go on in a new log")
    }
  }

  /// Takes back all reservations, whose frames could not be written.
  func cancelReserved() {
    state.change { state in
      state.reserved = state.tail
      state.buffer.cancelReservations()
    }
  }

  /// Makes reserved bytes visible: their frames are written, up to the WAL position `end`.
  func publish(_ pending: UnsafeMutablePointer<PendingAppend>, through end: WalPosition, time: UnixTime) {
    state.change { state in
      if state.tail == state.remote { state.oldestUnpublished = time }
      let tail = pending.pointee.lsn + pending.pointee.byteCount
      switch pending.pointee.kind {
      case .inline: state.buffer.active?.count += pending.pointee.byteCount
      case .indirect:
        state.flushed = tail
        state.largeEnd = tail
      }
      state.tail = tail
      state.lastFrame = end
      state.lastAppend = time
      for record in pending.pointee.records {
        state.checksums.append(record, pending.pointee.kind, time: time)
        state.checksumsPastSeal?.append(record, pending.pointee.kind, time: time)
      }
      pending.pointee.isMaintenanceDue = state.isMaintenanceDue(chunkSize)
    }
  }

  /// Moves the block of the buffer that is full, if there is one, to the chunk files.
  func drainFullBlock() throws(AofError) {
    if let end = state.withLock({ $0.buffer.draining?.end }) { try drain(through: end) }
  }

  /// Moves everything visible below `lsn` from memory to the chunk files.
  func drain(through lsn: LSN) throws(AofError) {
    while true {
      let block: TailBlock? = try state.wait { state throws(AofError) -> TailBlock?? in
        if state.flushed >= lsn { return .some(nil) }
        if state.isPurged, let failure = state.failure { throw failure }
        // Reserved bytes belong to the committer until they are visible.
        if state.buffer.isDraining || (state.buffer.draining == nil && state.buffer.hasReservations) { return nil }
        return .some(state.buffer.beginDraining())
      }
      guard let block else { return }
      do throws(AofError) {
        try services.localChunks.write(block.bytes, of: id, at: block.start, chunkSize: chunkSize)
      } catch {
        state.change { $0.buffer.endDraining(isDone: false) }
        throw error
      }
      state.change { state in
        state.flushed = block.end
        state.buffer.endDraining(isDone: true)
      }
    }
  }
}
