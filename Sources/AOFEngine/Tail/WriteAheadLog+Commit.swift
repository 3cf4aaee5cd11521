import AOFCore
import AOFFormat
import AOFSystem

/// The committer's work. All of it runs on the one thread that holds the role.
extension WriteAheadLog {
  /// Commits `committer.batch`: each append is either visible in its log, or has its error set.
  func commit(durableMark: WalPosition, failure: AofError?) {
    let time = environment.clock.now()
    for pointer in committer.batch {
      if let failure = failure ?? committerFailure {
        pointer.pointee.error = failure
        continue
      }
      do throws(AofError) {
        try gather(pointer, durableMark: durableMark, time: time)
      } catch {
        pointer.pointee.error = error
      }
    }
    writeGathered(time: time)
  }

  /// A write of this batch may have failed the WAL for the rest of it.
  private var committerFailure: AofError? { state.withLock { $0.failure } }

  private func gather(
    _ pointer: UnsafeMutablePointer<PendingAppend>, durableMark: WalPosition, time: UnixTime
  ) throws(AofError) {
    let log = pointer.pointee.log
    let size = pointer.pointee.framedSize
    let payloads = pointer.pointee.payloads
    if !committer.hasRoom(frames: payloads.count, size: size) {
      writeGathered(time: time)
      // What a failed write left would go on behind a shorter one in its place.
      if let failure = committerFailure { throw failure }
      if committer.segmentRoom < size { try startSegment(forLog: nil) }
    }
    let reserved = try log.reserve(pointer.pointee)
    let lsn: LSN
    if let reserved {
      lsn = reserved
    } else {
      // Room is made from visible bytes alone, so what is gathered becomes visible first.
      writeGathered(time: time)
      if let failure = committerFailure { throw failure }
      lsn = try log.reserveAfterMakingRoom(pointer.pointee)
    }
    pointer.pointee.lsn = lsn
    var position = lsn
    for (payload, checksum) in zip(payloads, pointer.pointee.checksums) {
      committer.gather(
        WALFrameHeader(
          kind: .inline, logID: log.id, generation: log.committingGeneration, lsn: position,
          length: UInt32(payload.count), time: time, durableMark: durableMark, payloadChecksum: checksum),
        payload: payload)
      position = position + payload.count
    }
    committer.gathered.append(pointer)
  }

  /// Writes what is gathered, and makes it visible; or sets its error, and makes sure that no recovery finds it.
  private func writeGathered(time: UnixTime) {
    guard !committer.gathered.isEmpty else { return }
    defer { committer.clear() }
    do throws(AofError) {
      try committer.write()
    } catch {
      for pointer in committer.gathered {
        pointer.pointee.error = error
        pointer.pointee.log.cancelReserved()
      }
      do throws(AofError) { try committer.erase() } catch let eraseError { fail(eraseError) }
      return
    }
    committer.position = committer.position + committer.gatheredSize
    let end = committer.position
    state.withLock { $0.written = end }
    for pointer in committer.gathered {
      let log = pointer.pointee.log
      log.publish(pointer.pointee, through: end, time: time)
      committer.logEnds[log.id] = pointer.pointee.lsn + pointer.pointee.byteCount
    }
  }

  // MARK: Segments

  /// A number that no segment has had, whether or not it was ever activated.
  private func nextSequence() -> UInt64 {
    defer { committer.lastSequence += 1 }
    return committer.lastSequence + 1
  }

  /// Creates the segment that continues the WAL. Only the committer may activate it.
  func prepareSegment(forLog start: (log: LogID, lsn: LSN)?) throws(AofError) -> WalSegment {
    try pool.prepare(
      Self.header(
        sequence: nextSequence(), base: committer.position, storeID: storeID, environment: environment),
      start: start)
  }

  /// Whether the segment begins exactly where the WAL ends.
  func continues(with segment: WalSegment) -> Bool {
    segment.base == committer.position && segment.sequence > committer.segment.sequence
  }

  /// Goes on in a new segment.
  private func startSegment(forLog start: (log: LogID, lsn: LSN)?) throws(AofError) {
    try activate(try prepareSegment(forLog: start))
  }

  /// Closes the active segment for good: nothing is appended any more.
  func closeSegment() {
    let logEnds = committer.logEnds
    let end = committer.position
    state.change { state in
      let last = state.segments.count - 1
      state.segments[last].end = end
      state.segments[last].logEnds = logEnds
      state.failure = state.failure ?? AofError(.readOnly, "the store is closed")
    }
  }

  /// Goes on in `prepared`, which begins where the WAL ends. After an error the WAL goes on where it was, or has failed.
  func activate(_ prepared: WalSegment) throws(AofError) {
    assert(prepared.base == committer.position, "a segment continues the WAL")
    let segment: WalSegment
    do throws(AofError) {
      segment = try pool.activate(prepared)
    } catch {
      // A segment that recovery may find ends the one before it, so that nothing more could be appended there.
      do throws(AofError) { try pool.deactivate(prepared) } catch { fail(error) }
      throw error
    }
    let logEnds = committer.logEnds
    let end = committer.position
    state.change { state in
      let last = state.segments.count - 1
      state.segments[last].end = end
      state.segments[last].logEnds = logEnds
      state.segments.append(LiveSegment(segment: segment))
    }
    committer.segment = segment
    committer.logEnds.removeAll(keepingCapacity: true)
    if let action = whenSegmentCloses.withLock({ $0 }) { action() }
  }
}
