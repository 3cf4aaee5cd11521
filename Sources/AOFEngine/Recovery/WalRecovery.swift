import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

/// Reads a WAL directory after a crash, and brings back the tails of its logs.
///
/// Frames are replayed in order up to the first place where none is sound. Unsynced pages reach the disk in any
/// order, so what that place means depends on the highest durable mark of any frame, before it or after it:
///
/// | the place is | it is | and then |
/// |---|---|---|
/// | followed by no frame of this life of the segment, nor begun as one | the end | |
/// | at or above the highest durable mark | a torn end | whatever follows is void; its logs start a new generation |
/// | below the highest durable mark | corruption | the segment is kept aside; logs with bytes missing are closed there; the others go on behind it |
///
/// Damage after the last mark cannot be told from a tear.
struct WalRecovery {
  private struct Segment {
    let path: String
    let header: WALSegmentHeader
    /// Where the next segment begins, and so where the frames of this one end; nil for the last.
    var limit: WalPosition?
  }

  private let directory: WalDirectoryRecord
  private let storeID: StoreID
  private let environment: Environment
  private let chunks: LocalChunkStore
  private let observation: Observation
  private let evidenceDirectory: String

  private(set) var logs: [LogID: TailReplay]
  /// The number that the WAL's next segment gets.
  private(set) var nextSequence: UInt64
  /// Where the WAL goes on.
  private(set) var end = WalPosition.zero
  /// Set from the first corruption on: the place, for messages.
  private var damage: String?
  private var segments: [Segment] = []
  /// Known once a payload is missing: up to where each log was durable, as far as any frame says.
  private var highestDurableLSN: [LogID: LSN] = [:]
  /// The highest mark that any frame of a segment carries, of those that were read for it.
  private var highestMarks: [Int: WalPosition] = [:]
  /// Segments that were copied to where nothing deletes them.
  private var kept: Set<String> = []

  init(
    directory: WalDirectoryRecord, logs: [AofDescriptorRecord], storeID: StoreID, environment: Environment,
    chunks: LocalChunkStore, observation: Observation, evidenceDirectory: String
  ) {
    self.directory = directory
    self.storeID = storeID
    self.environment = environment
    self.chunks = chunks
    self.observation = observation
    self.evidenceDirectory = evidenceDirectory
    nextSequence = max(directory.firstSequence, 1)
    self.logs = Dictionary(logs.map { ($0.id, TailReplay($0)) }, uniquingKeysWith: { $1 })
  }

  /// Replays everything, and makes it durable in the chunk files.
  /// - Throws: `newerVersion`; `notAStore` for segments of another store; local failures.
  mutating func run() throws(AofError) {
    segments = try findSegments()
    for index in segments.indices {
      if try replay(segments, at: index) == .ended { break }
    }
    let news = logs.filter(\.value.hasNews).keys.sorted()
    for part in news.pieces(of: LocalChunkStore.logsAtOnce) {
      for id in part {
        guard var log = logs[id] else { continue }
        try log.flush(into: chunks)
        logs[id] = log
      }
      chunks.syncTogether(Array(part))
      for id in part { try chunks.sync(id) }
    }
  }

  // MARK: Segments

  private mutating func findSegments() throws(AofError) -> [Segment] {
    var segments: [Segment] = []
    for name in try environment.disk.list(directory.path) {
      guard let sequence = WalSegment.sequence(ofFileName: name) else { continue }
      nextSequence = max(nextSequence, sequence + 1)
      guard sequence >= directory.firstSequence else { continue }
      let path = directory.path + "/" + name
      guard let header = try readHeader(path) else { continue }
      guard header.storeID == storeID, header.sequence == sequence else {
        throw AofError(
          .notAStore, "\(path) is a WAL segment of store \(header.storeID), not of \(storeID)",
          remedy: "give each store a WAL directory of its own")
      }
      if !segments.isEmpty { segments[segments.count - 1].limit = header.base }
      segments.append(Segment(path: path, header: header))
      end = max(end, header.base + (Int(header.size) - WALFormat.segmentHeaderSize))
    }
    return segments
  }

  /// A file takes a segment's name only once its header is on stable storage, so a header that is none was damaged
  /// later; the gap before the next segment tells what is lost.
  private mutating func readHeader(_ path: String) throws(AofError) -> WALSegmentHeader? {
    let file = try environment.disk.open(path, .read)
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: WALFormat.segmentHeaderSize, alignment: 4096)
    defer { block.deallocate() }
    let count = try file.read(into: block, at: 0)
    do throws(AofError) {
      return try WALSegmentHeader(decoding: UnsafeRawBufferPointer(rebasing: block[..<count]), path: path)
    } catch where error.code == .corrupt {
      observation.report(.damage, "\(error.message); it is kept in \(evidenceDirectory) and left out")
      try keepEvidence(path)
      return nil
    }
  }

  // MARK: Replaying

  private enum Progress { case complete, ended }

  private mutating func replay(_ segments: [Segment], at index: Int) throws(AofError) -> Progress {
    let segment = segments[index]
    let bytes = try read(segment.path)
    defer { bytes.deallocate() }
    var scanner = SegmentScanner(header: segment.header, bytes: UnsafeRawBufferPointer(bytes))
    while true {
      while segment.limit.map({ scanner.position < $0 }) ?? true, let frame = scanner.next() {
        try take(frame)
      }
      if scanner.position == segment.limit { return .complete }
      switch try judge(scanner, segments, at: index) {
      case .end: return .ended
      case .torn(let cut):
        for id in cut { logs[id]?.cut() }
        return .ended
      case .corrupt(let resumes):
        try noteDamage(segment, at: scanner.position)
        // A sound header says whose bytes are lost, also where no later frame of that log would.
        if let lost = scanner.frameHeader, let log = logs[lost.logID], log.decide(lost) != .skip {
          close(lost.logID)
        }
        guard resumes, scanner.skipToNextFrame(), segment.limit.map({ scanner.position < $0 }) ?? true else {
          return .complete
        }
      }
    }
  }

  private mutating func take(_ frame: SegmentScanner.Frame) throws(AofError) {
    let id = frame.header.logID
    switch logs[id]?.decide(frame.header) {
    case nil, .skip: return
    case .replay:
      let chunks = chunks
      if try logs[id]?.replay(frame, into: chunks) == false { try judgePayload(of: frame) }
    case .gap: close(id)
    }
  }

  /// The payload of an indirect frame is missing. Whether it was ever synced, later frames of its log tell.
  private mutating func judgePayload(of frame: SegmentScanner.Frame) throws(AofError) {
    let id = frame.header.logID
    if highestDurableLSN[id] == nil { highestDurableLSN = try findDurableLSNs() }
    if frame.header.lsn < highestDurableLSN[id, default: .zero] {
      damage = "the payload of a large append is not in its chunk files"
      close(id)
    } else {
      observation.report(
        .recovery,
        "log \(id) ends torn at LSN \(frame.header.lsn), as a power cut leaves it; what was not synced from there on "
          + "is cut off")
      logs[id]?.cut()
    }
  }

  /// For each log, the highest mark that any frame carries.
  private func findDurableLSNs() throws(AofError) -> [LogID: LSN] {
    var marks: [LogID: LSN] = [:]
    for segment in segments {
      try forEachFrame(of: segment) { frame in
        let id = frame.logID
        guard frame.generation == logs[id]?.record.generation else { return }
        marks[id] = max(marks[id, default: .zero], frame.durableLSN)
      }
    }
    return marks
  }

  /// Calls `body` with the headers of all sound frames of a segment, whatever lies between them.
  private func forEachFrame(of segment: Segment, _ body: (WALFrameHeader) -> Void) throws(AofError) {
    let bytes = try read(segment.path)
    defer { bytes.deallocate() }
    var scanner = SegmentScanner(header: segment.header, bytes: UnsafeRawBufferPointer(bytes))
    repeat {
      while let frame = scanner.next() { body(frame.header) }
    } while scanner.skipToNextFrame()
  }

  /// Ends a log at its tail: what follows is lost.
  private mutating func close(_ id: LogID) {
    guard let tail = logs[id]?.tail else { return }
    let reason =
      "the WAL is damaged (\(damage ?? "a frame is missing")): bytes from LSN \(tail) on are lost, so the log ends there"
    logs[id]?.close(because: reason)
    observation.report(.damage, "log \(id): \(reason)")
  }

  // MARK: Judging the first place without a sound frame

  private enum Verdict {
    case end
    /// The logs with frames in what is cut off.
    case torn(cut: Set<LogID>)
    /// Whether this segment goes on behind the damage.
    case corrupt(resumes: Bool)
  }

  private mutating func judge(
    _ scanner: SegmentScanner, _ segments: [Segment], at index: Int
  ) throws(AofError) -> Verdict {
    var later: Set<LogID> = []
    var probe = scanner
    var resumes = false
    while probe.skipToNextFrame() {
      resumes = true
      while let frame = probe.next() {
        // One witness is enough: a segment may have thousands of bad places.
        if scanner.position < frame.header.durableMark { return .corrupt(resumes: true) }
        later.insert(frame.header.logID)
      }
    }
    for index in segments.indices.dropFirst(index + 1) {
      if scanner.position < (try highestMark(of: segments, at: index)) { return .corrupt(resumes: resumes) }
    }
    for segment in segments.dropFirst(index + 1) {
      try forEachFrame(of: segment) { frame in later.insert(frame.logID) }
    }
    guard scanner.hasTornFrame || !later.isEmpty else { return .end }
    observation.report(
      .recovery,
      "the WAL in \(directory.path) ends torn at position \(scanner.position.rawValue), as a power cut leaves it; "
        + "what was not synced from there on is cut off")
    return .torn(cut: later)
  }

  /// The highest mark that any frame of the segment carries: read once, whatever else is damaged.
  private mutating func highestMark(of segments: [Segment], at index: Int) throws(AofError) -> WalPosition {
    if let known = highestMarks[index] { return known }
    var highest = WalPosition.zero
    try forEachFrame(of: segments[index]) { frame in highest = max(highest, frame.durableMark) }
    highestMarks[index] = highest
    return highest
  }

  private mutating func noteDamage(_ segment: Segment, at position: WalPosition) throws(AofError) {
    let offset = WALFormat.segmentHeaderSize + (position - segment.header.base)
    damage = "\(segment.path) at offset \(offset)"
    observation.report(
      .damage,
      "the WAL is damaged: \(segment.path) has no sound frame at offset \(offset), although later frames say that "
        + "it was synced; the segment is kept in \(evidenceDirectory)")
    try keepEvidence(segment.path)
  }

  // MARK: Files

  private func read(_ path: String) throws(AofError) -> UnsafeMutableRawBufferPointer {
    let file = try environment.disk.open(path, .read)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, try file.size()), alignment: 4096)
    do throws(AofError) {
      let count = try file.read(into: buffer, at: 0)
      UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).initializeMemory(as: UInt8.self, repeating: 0)
    } catch {
      buffer.deallocate()
      throw error
    }
    return buffer
  }

  /// Copies a damaged segment to where nothing deletes it, once, however many places of it are damaged.
  private mutating func keepEvidence(_ path: String) throws(AofError) {
    guard kept.insert(path).inserted else { return }
    try environment.disk.createDirectory(evidenceDirectory)
    let name = path.split(separator: "/").last.map(String.init) ?? "segment"
    let bytes = try read(path)
    defer { bytes.deallocate() }
    let copy = try environment.disk.open(
      evidenceDirectory + "/" + name + "." + FixedWidthNumber.hex(environment.random()), .createNew)
    try copy.write(UnsafeRawBufferPointer(bytes), at: 0)
    try copy.syncData()
    try environment.disk.syncDirectory(evidenceDirectory)
  }
}
