import AOFCore
import AOFFormat
import AOFSystem

/// Large appends: the payload goes straight to the chunk files, and the WAL gets frames that hold its checksums. So it is
/// written to the local disk once.
///
/// The payload is written by the appending thread before any frame, at LSNs that nobody else may take meanwhile: the
/// log's *turn*. Other appends of the log that come to the committer then are set aside, and queued again when the turn is
/// over; other logs do not notice.
extension Aof {
  /// Appends `payloads`, which lie one behind the other in memory, each as a unit of its own.
  func appendLarge(
    _ payloads: UnsafeBufferPointer<UnsafeRawBufferPointer>, byteCount: Int, expecting expected: LSN?
  ) throws(AofError) -> LSN {
    try checkSize(byteCount, records: payloads.count)
    try services.reserve.admitGrowth()
    let lsn = try takeTurn(byteCount, expected: expected)
    defer { endTurn() }
    // Bytes of a chunk file past the tail mean nothing, so an append that fails from here on leaves nothing behind.
    try drain(through: lsn)
    var position = lsn
    for payload in payloads {
      try services.localChunks.write(payload, of: id, at: position, chunkSize: chunkSize)
      position = position + payload.count
    }
    try commit(payloads, at: lsn, byteCount: byteCount)
    return lsn
  }

  /// Runs `body` while no append of the log is under way; those that come meanwhile wait.
  func asOnlyAppender(_ body: () throws(AofError) -> Void) throws(AofError) {
    _ = try takeTurn(0, expected: nil)
    defer { endTurn() }
    try body()
  }

  private func commit(
    _ payloads: UnsafeBufferPointer<UnsafeRawBufferPointer>, at lsn: LSN, byteCount: Int
  ) throws(AofError) {
    var tables = PieceChecksums()
    var position = lsn
    for payload in payloads {
      tables.append(payload, at: position)
      position = position + payload.count
    }
    try tables.withBodies { bodies throws(AofError) in
      var records: [AppendRecord] = []
      for (payload, body) in zip(payloads, bodies) {
        records.append(AppendRecord(payload: payload, body: body, bodyChecksum: CRC32C.checksum(body)))
      }
      try records.withTypedBuffer { records throws(AofError) in
        var pending = PendingAppend(.indirect, records, byteCount: byteCount, expected: lsn, log: self)
        try wal.append(&pending)
        finishAppend(leavesFullBlock: false, isMaintenanceDue: pending.isMaintenanceDue)
      }
    }
  }

  /// Waits until no other append of the log is under way, and keeps new ones waiting.
  /// - Returns: the tail, which stays until the turn ends or its holder appends.
  private func takeTurn(_ byteCount: Int, expected: LSN?) throws(AofError) -> LSN {
    state.withLock { $0.turnsWanted += 1 }
    do throws(AofError) {
      return try state.wait { state throws(AofError) -> LSN? in
        if let failure = state.failure { throw failure }
        guard !state.isTurnTaken, state.reserved == state.tail else { return nil }
        try check(byteCount, expected: expected, state)
        state.isTurnTaken = true
        return state.tail
      }
    } catch {
      endTurn(wasTaken: false)
      throw error
    }
  }

  private func endTurn(wasTaken: Bool = true) {
    let deferred = state.change { state in
      state.turnsWanted -= 1
      if wasTaken { state.isTurnTaken = false }
      guard !state.isTurnTaken else { return [] as [UnsafeMutablePointer<PendingAppend>] }
      defer { state.deferred.removeAll() }
      return state.deferred
    }
    wal.requeue(deferred)
  }
}

extension LogState {
  /// Sets an append aside if a large one has the log's turn, or waits for it and this one did not yet.
  mutating func mustDefer(_ pending: UnsafeMutablePointer<PendingAppend>) -> Bool {
    guard case .inline = pending.pointee.kind else { return false }
    guard isTurnTaken || (turnsWanted > 0 && !pending.pointee.wasDeferred) else { return false }
    pending.pointee.wasDeferred = true
    deferred.append(pending)
    return true
  }
}

/// The bodies of indirect frames: the CRC32C of each piece of a payload, cut by the frame grid, 4 bytes each.
struct PieceChecksums {
  private var bytes: [UInt8] = []
  private var counts: [Int] = []

  mutating func append(_ payload: UnsafeRawBufferPointer, at lsn: LSN) {
    var rest = lsn..<(lsn + payload.count)
    let first = bytes.count
    while !rest.isEmpty {
      let piece = WALFormat.firstPiece(of: rest)
      let offset = piece.lowerBound - lsn
      bytes.append(
        littleEndian: CRC32C.checksum(
          UnsafeRawBufferPointer(rebasing: payload[offset..<(offset + piece.byteCount)])))
      rest = piece.upperBound..<rest.upperBound
    }
    counts.append(bytes.count - first)
  }

  /// One body for each payload.
  func withBodies(_ body: ([UnsafeRawBufferPointer]) throws(AofError) -> Void) throws(AofError) {
    try bytes.withTypedBytes { bytes throws(AofError) in
      var bodies: [UnsafeRawBufferPointer] = []
      var position = 0
      for count in counts {
        bodies.append(UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)]))
        position += count
      }
      try body(bodies)
    }
  }
}
