import AOFCore
import AOFFormat
import AOFSystem

/// The committer's work. All of it runs on the one thread that holds the role.
extension WriteAheadLog {
  /// Commits `committer.batch`: each append is then visible in its log or has its error set, or it waits for a large
  /// append of its log, or for room in the log's buffer.
  func commit(durableMark: WalPosition, failure: AofError?) {
    let stamp = Stamp(time: environment.clock.now(), durableMark: durableMark)
    for pointer in committer.batch {
      if let failure = failure ?? committerFailure {
        pointer.pointee.end(with: failure)
        continue
      }
      do throws(AofError) {
        try gather(pointer, stamp)
      } catch {
        pointer.pointee.end(with: error)
      }
    }
    writeGathered(stamp)
  }

  /// What all frames of a batch say.
  private struct Stamp {
    let time: UnixTime
    let durableMark: WalPosition
  }

  /// A write of this batch may have failed the WAL for the rest of it.
  private var committerFailure: AofError? { committer.hasFailed ? state.withLock { $0.failure } : nil }

  private func gather(_ pointer: UnsafeMutablePointer<PendingAppend>, _ stamp: Stamp) throws(AofError) {
    let log = pointer.pointee.log
    let size = pointer.pointee.framedSize
    let records = pointer.pointee.records
    if !committer.hasRoom(frames: records.count, size: size) {
      writeGathered(stamp)
      // What a failed write left would go on behind a shorter one in its place.
      if let failure = committerFailure { throw failure }
      if committer.segmentRoom < size { try startSegment(forLog: nil) }
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
        committer.gather(
          WALFrameHeader(
            kind: pointer.pointee.kind, logID: log.id, generation: log.committingGeneration, lsn: position,
            length: UInt32(record.payload.count), time: stamp.time, durableMark: stamp.durableMark,
            durableLSN: durable, bodyChecksum: record.bodyChecksum),
          body: record.body)
        position = position + record.payload.count
      }
      committer.gathered.append(pointer)
    }
  }

  /// Writes what is gathered, and makes it visible; or sets its error, and makes sure that no recovery finds it.
  private func writeGathered(_ stamp: Stamp) {
    guard !committer.gathered.isEmpty else { return }
    defer { committer.clear() }
    do throws(AofError) {
      try committer.write()
    } catch {
      for pointer in committer.gathered {
        pointer.pointee.end(with: error)
        pointer.pointee.log.cancelReserved()
      }
      do throws(AofError) {
        try committer.erase()
      } catch let eraseError {
        committer.hasFailed = true
        fail(eraseError)
      }
      return
    }
    committer.position = committer.position + committer.gatheredSize
    let end = committer.position
    // Before anything is visible: a sync of it must find that it is written.
    state.withLock { $0.written = end }
    for pointer in committer.gathered {
      let log = pointer.pointee.log
      log.publish(pointer, through: end, time: stamp.time)
      if log.committedSegment != committer.segment.sequence {
        log.committedSegment = committer.segment.sequence
        committer.logs.append(log)
      }
      log.committedEnd = pointer.pointee.lsn + pointer.pointee.byteCount
      pointer.pointee.phase = .done
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
    endSegment()
    fail(AofError(.readOnly, "the store is closed"), isFinal: true)
  }

  /// Goes on in `prepared`, which begins where the WAL ends. After an error the WAL goes on where it was, or has failed.
  func activate(_ prepared: WalSegment) throws(AofError) {
    assert(prepared.base == committer.position, "a segment continues the WAL")
    let segment: WalSegment
    do throws(AofError) {
      segment = try pool.activate(prepared)
    } catch {
      // A segment that recovery may find ends the one before it, so that nothing more could be appended there.
      do throws(AofError) {
        try pool.deactivate(prepared)
      } catch {
        committer.hasFailed = true
        fail(error)
      }
      throw error
    }
    endSegment()
    state.withLock { $0.segments.append(LiveSegment(segment: segment)) }
    committer.segment = segment
    if let action = whenSegmentCloses.withLock({ $0 }) { action() }
  }

  /// Notes where the frames of the active segment end, and those of each log in it.
  private func endSegment() {
    let logEnds = Dictionary(committer.logs.map { ($0.id, $0.committedEnd) }, uniquingKeysWith: { $1 })
    let end = committer.position
    committer.logs.removeAll(keepingCapacity: true)
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
