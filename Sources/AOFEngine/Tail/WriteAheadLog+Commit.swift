import AOFCore
import AOFFormat
import AOFSystem

/// The committer's work. All of it runs on the one thread that holds the role.
extension WriteAheadLog {
  /// Commits the leading thread's own append and the batch that came with it: each append is then visible in its log or
  /// has its error set, or it waits for a large append of its log, or for room in the log's buffer.
  /// - Parameter own: nil if it is in the batch.
  func commit(_ own: UnsafeMutablePointer<PendingAppend>?, durableMark: WalPosition, failure: AofError?) {
    let stamp = Stamp(time: environment.clock.now(), durableMark: durableMark)
    if let own { commit(own, stamp, failure) }
    if !committer.pointee.batch.isEmpty {
      for pointer in committer.pointee.batch { commit(pointer, stamp, failure) }
    }
    writeGathered(stamp)
  }

  private func commit(_ append: UnsafeMutablePointer<PendingAppend>, _ stamp: Stamp, _ failure: AofError?) {
    if let failure = failure ?? committerFailure { return append.pointee.end(with: failure) }
    do throws(AofError) { try gather(append, stamp) } catch { append.pointee.end(with: error) }
  }

  /// What all frames of a batch say.
  private struct Stamp {
    let time: UnixTime
    let durableMark: WalPosition
  }

  /// A write of this batch may have failed the WAL for the rest of it.
  var committerFailure: AofError? { committer.pointee.hasFailed ? state.withLock { $0.failure } : nil }

  private func gather(_ pointer: UnsafeMutablePointer<PendingAppend>, _ stamp: Stamp) throws(AofError) {
    let log = pointer.pointee.log
    let size = pointer.pointee.framedSize
    let records = pointer.pointee.records
    if !committer.pointee.hasRoom(frames: records.count, size: size) {
      writeGathered(stamp)
      // What a failed write left would go on behind a shorter one in its place.
      if let failure = committerFailure { throw failure }
      if committer.pointee.segmentRoom < size { try startSegment(forLog: nil) }
    }
    var reservation = try log.reserve(pointer)
    if case .afterPublishing = reservation {
      // Room is made from visible bytes alone, so what is gathered becomes visible first.
      writeGathered(stamp)
      if let failure = committerFailure { throw failure }
      reservation = try log.reserve(pointer)
    }
    switch reservation {
    case .deferred: return
    case .afterPublishing, .noRoom:
      pointer.pointee.phase = .mustMakeRoom
    case .reserved(let lsn, let durable):
      pointer.pointee.lsn = lsn
      var position = lsn
      for record in records {
        committer.pointee.gather(
          WALFrameHeader(
            kind: pointer.pointee.kind, logID: log.id, generation: log.committingGeneration, lsn: position,
            length: UInt32(record.payload.count), time: stamp.time, durableMark: stamp.durableMark,
            durableLSN: durable, bodyChecksum: record.bodyChecksum),
          body: record.body)
        position = position + record.payload.count
      }
      committer.pointee.didGather(pointer)
    }
  }

  /// Writes what is gathered, and makes it visible; or sets its error, and makes sure that no recovery finds it.
  private func writeGathered(_ stamp: Stamp) {
    guard let first = committer.pointee.firstGathered else { return }
    defer { committer.pointee.clear() }
    let (records, bytes) = (committer.pointee.gatheredRecords, committer.pointee.gatheredBytes)
    do throws(AofError) {
      // Before anything is visible: a sync of it must find that it is written.
      try writeFrames { $0.counts.wrote(records, bytes) }
    } catch {
      var next: UnsafeMutablePointer<PendingAppend>? = first
      while let append = next {
        append.pointee.end(with: error)
        append.pointee.log.cancelReserved()
        next = append.pointee.next
      }
      return
    }
    let end = committer.pointee.position
    var next: UnsafeMutablePointer<PendingAppend>? = first
    while let append = next {
      append.pointee.log.publish(append, through: end, time: stamp.time)
      noteInSegment(append.pointee.log, end: append.pointee.lsn + append.pointee.byteCount)
      append.pointee.phase = .done
      next = append.pointee.next
    }
  }

  /// Writes the gathered frames at the end of the WAL, and counts them.
  /// - Throws: what the disk answered; then no recovery finds any of them, or the WAL has failed.
  func writeFrames(_ count: (inout State) -> Void = { _ in }) throws(AofError) {
    do throws(AofError) {
      try committer.pointee.write()
    } catch {
      do throws(AofError) {
        try committer.pointee.erase()
      } catch let eraseError {
        committer.pointee.hasFailed = true
        fail(eraseError)
      }
      throw error
    }
    committer.pointee.position = committer.pointee.position + committer.pointee.gatheredSize
    let end = committer.pointee.position
    state.withLock { state in
      state.written = end
      count(&state)
    }
  }

  /// The active segment holds frames of the log, the last of which ends at `end`.
  func noteInSegment(_ log: Aof, end: LSN) {
    if log.committedSegment != committer.pointee.segment.sequence {
      log.committedSegment = committer.pointee.segment.sequence
      committer.pointee.logs[log.id] = log
    }
    log.committedEnd = end
  }

  // MARK: Segments

  /// A number that no segment has had, whether or not it was ever activated.
  private func nextSequence() -> UInt64 {
    defer { committer.pointee.lastSequence += 1 }
    return committer.pointee.lastSequence + 1
  }

  /// Creates the segment that continues the WAL. Only the committer may activate it.
  func prepareSegment(forLog start: (log: LogID, lsn: LSN)?) throws(AofError) -> WalSegment {
    try pool.prepare(
      Self.header(
        sequence: nextSequence(), base: committer.pointee.position, storeID: storeID, environment: environment),
      start: start)
  }

  /// Whether the segment begins exactly where the WAL ends.
  func continues(with segment: WalSegment) -> Bool {
    segment.base == committer.pointee.position && segment.sequence > committer.pointee.segment.sequence
  }

  /// Goes on in a new segment.
  func startSegment(forLog start: (log: LogID, lsn: LSN)?) throws(AofError) {
    try activate(try prepareSegment(forLog: start))
  }

  /// Closes the active segment for good: nothing is appended any more.
  func closeSegment() {
    endSegment()
    fail(AofError(.readOnly, "the store is closed"), isFinal: true)
  }

  /// Goes on in `prepared`, which begins where the WAL ends. After an error the WAL goes on where it was, or has failed.
  func activate(_ prepared: WalSegment) throws(AofError) {
    assert(prepared.base == committer.pointee.position, "a segment continues the WAL")
    let segment: WalSegment
    do throws(AofError) {
      segment = try pool.activate(prepared)
    } catch {
      // A segment that recovery may find ends the one before it, so that nothing more could be appended there.
      do throws(AofError) {
        try pool.deactivate(prepared)
      } catch {
        committer.pointee.hasFailed = true
        fail(error)
      }
      throw error
    }
    endSegment()
    state.withLock { $0.segments.append(LiveSegment(segment: segment)) }
    committer.pointee.segment = segment
    whenSegmentCloses(())
  }

  /// Notes where the frames of the active segment end, and those of each log in it.
  private func endSegment() {
    let logEnds = committer.pointee.logs.mapValues(\.committedEnd)
    let end = committer.pointee.position
    committer.pointee.logs.removeAll(keepingCapacity: true)
    state.withLock { state in
      let last = state.segments.count - 1
      state.segments[last].end = end
      state.segments[last].logEnds = logEnds
    }
  }
}

extension PendingAppend {
  fileprivate mutating func end(with error: AofError) {
    self.error = error
    phase = .done
  }
}
