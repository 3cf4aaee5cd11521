import AOFCore
import AOFFormat
import AOFSystem

/// Carrying forward: what a failed log still needs of old segments is written once more at the end of the WAL, so that
/// those can go, and one bad log does not make the WAL of all the others grow for ever. Log-structured filesystems clean
/// their segments in the same way (Rosenblum and Ousterhout, 1992).
///
/// A recovery that finds both passes over the second one, as over every frame that its log has already.
extension WriteAheadLog {
  /// With fewer closed segments than this nothing is carried.
  static let closedSegmentsBeforeCarrying = 8

  /// Carries the frames of logs that failed, so that they need no segment that is closed now; does nothing where that
  /// would let no segment go, or would write more than it lets go.
  ///
  /// - Parameters:
  ///   - failed: logs that take no append any more.
  ///   - applied: how far each log is durable in its chunk files and in the manifest.
  /// - Throws: local failures, `corrupt` for a frame that cannot be read back; then the old segments stay.
  func carryForward(_ failed: [Aof], applied: (LogID) -> LSN) throws(AofError) {
    let logs = Dictionary(failed.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
    let holding = asCommitter { () throws(Never) in segmentsToCarry(logs, applied) }
    guard !holding.isEmpty else { return }
    for live in holding { try carry(logs, from: live, applied) }
    try sync(through: state.withLock { $0.written })
    let old = Set(holding.map(\.segment.sequence))
    state.withLock { state in
      for index in state.segments.indices where old.contains(state.segments[index].segment.sequence) {
        for id in logs.keys { state.segments[index].logEnds[id] = nil }
      }
    }
  }

  /// The closed segments with frames that `logs` need. All of a log's frames or none: a recovery takes them in order, and
  /// would find a gap where a segment with later ones stayed behind.
  private func segmentsToCarry(_ logs: [LogID: Aof], _ applied: (LogID) -> LSN) -> [LiveSegment] {
    guard committerFailure == nil, !committer.pointee.logs.keys.contains(where: { logs[$0] != nil }) else { return [] }
    let segments = state.withLock { $0.segments }
    let holding = segments.filter { live in
      live.logEnds.contains { logs[$0.key] != nil && applied($0.key) < $0.value }
    }
    let needed = firstNeededSequence { logs[$0] != nil ? .max : applied($0) }
    guard let last = holding.last, last.segment.sequence < needed,
      segments.count > max(Self.closedSegmentsBeforeCarrying, holding.count * 2)
    else { return [] }
    return holding
  }

  private func carry(_ logs: [LogID: Aof], from live: LiveSegment, _ applied: (LogID) -> LSN) throws(AofError) {
    guard let end = live.end else { return }
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: live.segment.offset(of: end), alignment: 4096)
    defer { bytes.deallocate() }
    let count = try live.segment.file.read(into: bytes, at: 0)
    var scanner = SegmentScanner(
      header: live.segment.header, bytes: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    // Batch by batch, each with the role of its own: appends of other logs go on between.
    while scanner.position < end {
      try asCommitter { () throws(AofError) in try carryBatch(&scanner, of: logs, upTo: end, applied) }
    }
  }

  /// Carries as many frames as one write takes.
  private func carryBatch(
    _ scanner: inout SegmentScanner, of logs: [LogID: Aof], upTo end: WalPosition, _ applied: (LogID) -> LSN
  ) throws(AofError) {
    if let failure = committerFailure { throw failure }
    defer { committer.pointee.clear() }
    let durableMark = syncedPosition
    var carried: [(log: Aof, end: LSN)] = []
    while scanner.position < end {
      let (place, before) = (scanner.position, scanner)
      guard let frame = scanner.next() else {
        throw AofError(.corrupt, "a segment of the WAL in \(record.path) has no sound frame at position \(place.rawValue)")
      }
      var header = frame.header
      guard let log = logs[header.logID], header.generation == log.committingGeneration,
        header.range.upperBound > applied(log.id)
      else { continue }
      if !committer.pointee.hasRoom(frames: 1, size: frame.end - frame.position) {
        scanner = before
        guard carried.isEmpty else { break }
        try startSegment(forLog: nil)
        continue
      }
      header.durableMark = durableMark
      committer.pointee.gather(header, body: frame.body)
      carried.append((log, header.range.upperBound))
    }
    guard !carried.isEmpty else { return }
    try writeFrames()
    for (log, end) in carried { noteInSegment(log, end: end) }
  }
}
