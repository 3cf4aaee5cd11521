import AOFCore
import AOFSystem

/// Which download comes next, who waits for which frame, and what all of it takes of the memory: a state and no more.
/// ``Hydrator`` locks it, changes it, and does what it says.
///
/// Reads come first, in their order, then what is to be brought back without anybody reading it, then read-ahead. A read is
/// let in with all the frames that it lacks, or waits: so whoever was let in has the memory to end.
///
/// INVARIANT: `used <= budget`, but for one read alone that is larger, or larger with what rests in memory and it needs.
struct DownloadSchedule {
  typealias Completion = @Sendable (Result<Void, AofError>) -> Void

  let budget: Int
  private(set) var used = 0
  /// The most that was ever used.
  private(set) var peak = 0
  private var reads: [PendingRead] = []
  /// Let in, and waiting for a thread.
  private var ready: [Download] = []
  private var fills: [(run: Run, request: UInt64)] = []
  private var ahead: [Run] = []
  private var requests: [UInt64: Request] = [:]
  private var frames: [Download.FrameKey: Frame] = [:]
  private var entries: [UInt64: Entry] = [:]
  /// Downloads that are only in memory, oldest first: given up when memory gets short.
  private var resting: [UInt64] = []
  /// Readers with read-ahead that is queued or under way, and how many runs.
  private(set) var aheadRuns: [UInt64: Int] = [:]
  private var numbers: UInt64 = 0
  /// Whether the next run that nobody reads was refused the memory, and none was given back since.
  private var isShort = false
  private(set) var isClosed = false
  private let pool: BufferPool

  init(budget: Int, pool: BufferPool) {
    self.budget = budget
    self.pool = pool
  }

  private mutating func nextNumber() -> UInt64 {
    numbers += 1
    return numbers
  }

  // MARK: Asking

  /// Asks for frames whose bytes are to be read at once.
  mutating func read(_ runs: [Run], whenDone: @escaping Completion, _ actions: inout Actions) {
    guard !isClosed else { return actions.calls.append((whenDone, .failure(Self.closing))) }
    reads.append(PendingRead(runs: runs, whenDone: whenDone))
    admitReads(&actions)
  }

  /// Asks for frames that are to be on the local disk.
  mutating func fill(_ runs: [Run], whenDone: @escaping Completion, _ actions: inout Actions) {
    guard !isClosed else { return actions.calls.append((whenDone, .failure(Self.closing))) }
    guard !runs.isEmpty else { return actions.calls.append((whenDone, .success(()))) }
    let request = nextNumber()
    requests[request] = Request(remaining: runs.reduce(0) { $0 + $1.frames.count }, whenDone: whenDone)
    fills += runs.map { ($0, request) }
  }

  /// Asks for frames that will be read soon.
  mutating func prefetch(_ runs: [Run]) {
    guard !isClosed else { return }
    ahead += runs
    for run in runs { if let reader = run.reader { aheadRuns[reader, default: 0] += 1 } }
  }

  /// Forgets the read-ahead of one reader; what is under way is thrown away when it comes.
  mutating func cancelAhead(of reader: UInt64) {
    ahead.removeAll { $0.reader == reader }
    aheadRuns[reader] = nil
  }

  /// Gives up a download that nobody but a reader that has gone wanted: who asks for its frames from now on begins anew.
  /// - Returns: false if it is wanted.
  mutating func abandon(_ download: Download) -> Bool {
    guard let reader = download.reader, isUnread(download), aheadRuns[reader] == nil else { return false }
    for frame in download.frames {
      let key = download.key(frame)
      if let state = frames[key], state.download == download.number, !state.isLoaded { frames[key] = nil }
    }
    return true
  }

  /// Whether nobody has asked for what read-ahead fetches.
  func isUnread(_ download: Download) -> Bool { entries[download.number]?.isWanted == false }

  /// How many runs a thread could begin with, and how many there are.
  var startable: Int { ready.count + (isShort ? 0 : fills.count + ahead.count) }
  var waiting: Int { ready.count + fills.count + ahead.count }

  // MARK: Beginning

  /// Lets in the reads that there is memory for.
  private mutating func admitReads(_ actions: inout Actions) {
    while let next = reads.first {
      let fresh = next.runs.flatMap { freshPart(of: $0).contiguous(upTo: Hydrator.runLength) }
      guard takeRoom(fresh.reduce(0) { $0 + $1.cost }, upTo: budget, keeping: next.runs, &actions) else { return }
      reads.removeFirst()
      let request = nextNumber()
      requests[request] = Request(remaining: 1, whenDone: next.whenDone)
      for piece in fresh { ready.append(begin(piece)) }
      for run in next.runs {
        for frame in run.frames { join(request, key(run, frame), &actions) }
      }
      frameDone(request, nil, &actions)
    }
  }

  /// The frames of a run that nobody fetches and that are not in memory.
  private func freshPart(of run: Run) -> Run {
    var fresh = run
    fresh.frames.removeAll { frame in
      frames[key(run, frame)] != nil || !run.chunk.isCold(frame)
    }
    return fresh
  }

  /// The request will read the frame's bytes, which are in memory, or will be.
  private mutating func join(_ request: UInt64, _ key: Download.FrameKey, _ actions: inout Actions) {
    // Without an entry it is on the local disk by now.
    guard let frame = frames[key] else { return }
    want(frame.download, &actions)
    if requests[request]?.pinned.contains(frame.download) == false {
      requests[request]?.pinned.append(frame.download)
      entries[frame.download]?.pins += 1
    }
    guard !frame.isLoaded else { return }
    requests[request]?.remaining += 1
    frames[key]?.readers.append(request)
  }

  /// Somebody asks for a download, which may have been read-ahead so far.
  private mutating func want(_ number: UInt64, _ actions: inout Actions) {
    guard let entry = entries[number], !entry.isWanted else { return }
    entries[number]?.isWanted = true
    // What is on the disk already counts when it is read there.
    actions.used += entry.download.byteCount - entry.stored
  }

  private mutating func begin(_ run: Run) -> Download {
    let download = Download(run, number: nextNumber(), pool: pool)
    entries[download.number] = Entry(download: download, isWanted: run.reader == nil)
    for frame in download.frames { frames[download.key(frame)] = Frame(download: download.number) }
    return download
  }

  /// What a thread that is free is to fetch; nil if there is nothing, or no memory for it.
  mutating func next(_ actions: inout Actions) -> Download? {
    if !ready.isEmpty { return ready.removeFirst() }
    while let (run, request) = fills.first {
      guard takeRoom(run.cost, upTo: budget, keeping: [], &actions) else {
        isShort = true
        return nil
      }
      used -= run.cost
      fills.removeFirst()
      let fresh = freshPart(of: run)
      let known = run.frames.filter { !fresh.frames.contains($0) }
      for piece in fresh.contiguous(upTo: run.frames.count) {
        used += piece.cost
        ready.append(begin(piece))
      }
      peak = max(peak, used)
      for frame in fresh.frames { frames[key(run, frame)]?.fillers.append(request) }
      for frame in known { joinFill(request, key(run, frame), &actions) }
      if !ready.isEmpty { return ready.removeFirst() }
    }
    while let run = ahead.first {
      // Reads always find a part of the memory free of what nobody waits for.
      guard takeRoom(run.cost, upTo: budget / 4 * 3, keeping: [], &actions) else {
        isShort = true
        return nil
      }
      used -= run.cost
      ahead.removeFirst()
      let pieces = freshPart(of: run).contiguous(upTo: run.frames.count)
      if let reader = run.reader { countAhead(pieces.count - 1, reader) }
      for piece in pieces {
        used += piece.cost
        ready.append(begin(piece))
      }
      peak = max(peak, used)
      if !ready.isEmpty { return ready.removeFirst() }
    }
    return nil
  }

  private func key(_ run: Run, _ frame: SealedChunk.Frame) -> Download.FrameKey {
    Download.FrameKey(frame, of: run.log.id, in: run.object)
  }

  private mutating func joinFill(_ request: UInt64, _ key: Download.FrameKey, _ actions: inout Actions) {
    guard let frame = frames[key], let entry = entries[frame.download] else { return frameDone(request, nil, &actions) }
    // What rests in memory does so because the disk did not take it.
    guard !entry.isOver else {
      return frameDone(request, AofError(.noSpace, "there was no room on the local disk"), &actions)
    }
    want(frame.download, &actions)
    frames[key]?.fillers.append(request)
  }

  private mutating func countAhead(_ change: Int, _ reader: UInt64) {
    guard let count = aheadRuns[reader] else { return }
    aheadRuns[reader] = count + change > 0 ? count + change : nil
  }

  // MARK: Memory

  /// Counts `cost` as used if that stays within `limit`; gives up what only rests in memory for it.
  private mutating func takeRoom(_ cost: Int, upTo limit: Int, keeping runs: [Run], _ actions: inout Actions) -> Bool {
    var index = 0
    while used + cost > limit, used > 0 {
      while index < resting.count, (entries[resting[index]]?.pins ?? 0) > 0 || isNeeded(resting[index], by: runs) { index += 1 }
      guard index < resting.count else {
        // A read that needs all that rests, while nothing ends that would give memory back, is let in all the same.
        guard !runs.isEmpty, entries.values.allSatisfy({ $0.isOver && $0.pins == 0 }) else { return false }
        break
      }
      retire(resting[index], &actions)
    }
    used += cost
    peak = max(peak, used)
    return true
  }

  private mutating func giveBack(_ byteCount: Int) {
    used -= byteCount
    isShort = false
  }

  private func isNeeded(_ number: UInt64, by runs: [Run]) -> Bool {
    runs.contains { run in run.frames.contains { frames[key(run, $0)]?.download == number } }
  }

  /// Lets go of a download that is over and that nobody reads.
  private mutating func retire(_ number: UInt64, _ actions: inout Actions) {
    guard let entry = entries.removeValue(forKey: number) else { return }
    resting.removeAll { $0 == number }
    for frame in entry.download.frames where frames[entry.download.key(frame)]?.download == number {
      frames[entry.download.key(frame)] = nil
    }
    giveBack(entry.download.byteCount)
    if !entry.isWanted, entry.isUnstored { actions.wasted += entry.download.byteCount }
    actions.freed.append(entry.download)
  }

  private mutating func unpin(_ number: UInt64, _ actions: inout Actions) {
    entries[number]?.pins -= 1
    guard let entry = entries[number], entry.pins == 0, entry.isOver else { return }
    if entry.isUnstored {
      // It rests, and may be given up from now on.
      isShort = false
    } else {
      retire(number, &actions)
    }
    admitReads(&actions)
  }

  // MARK: Progress

  /// The frame's bytes are in memory, verified.
  mutating func loaded(_ download: Download, _ frame: SealedChunk.Frame, _ actions: inout Actions) {
    let key = download.key(frame)
    frames[key]?.isLoaded = true
    let readers = frames[key]?.readers ?? []
    frames[key]?.readers = []
    for reader in readers { frameDone(reader, nil, &actions) }
  }

  /// The frame is on the local disk, or why not.
  mutating func stored(_ download: Download, _ frame: SealedChunk.Frame, _ failure: AofError?, _ actions: inout Actions) {
    let fillers = frames[download.key(frame)]?.fillers ?? []
    frames[download.key(frame)]?.fillers = []
    if failure == nil {
      entries[download.number]?.stored += frame.range.byteCount
    } else {
      entries[download.number]?.isUnstored = true
    }
    for filler in fillers { frameDone(filler, failure, &actions) }
  }

  /// All frames are in memory, so their compressed form is not needed.
  mutating func freedCompressed(_ download: Download, _ actions: inout Actions) {
    guard entries[download.number]?.holdsCompressed == true else { return }
    entries[download.number]?.holdsCompressed = false
    giveBack(download.compressed.count)
    admitReads(&actions)
  }

  /// Nobody works on the download any more. Frames that are not loaded by now are not: who waits for them gets `failure`.
  mutating func over(_ download: Download, _ failure: AofError?, _ actions: inout Actions) {
    freedCompressed(download, &actions)
    for frame in download.frames {
      let key = download.key(frame)
      guard let state = frames[key], state.download == download.number else { continue }
      if !state.isLoaded { frames[key] = nil }
      for request in state.readers + state.fillers { frameDone(request, failure, &actions) }
    }
    if let reader = download.reader { countAhead(-1, reader) }
    entries[download.number]?.isOver = true
    guard let entry = entries[download.number] else { return }
    if entry.isUnstored, failure == nil { resting.append(download.number) } else { entries[download.number]?.isUnstored = false }
    if entry.pins == 0, entries[download.number]?.isUnstored == false { retire(download.number, &actions) }
    admitReads(&actions)
  }

  private mutating func frameDone(_ number: UInt64, _ failure: AofError?, _ actions: inout Actions) {
    guard var request = requests[number] else { return }
    request.remaining -= 1
    if request.failure == nil { request.failure = failure }
    requests[number] = request
    guard request.remaining == 0 else { return }
    // A failure is the request's alone: the next one tries anew.
    let result: Result<Void, AofError> = request.failure.map { .failure($0) } ?? .success(())
    actions.calls.append((request.whenDone, result))
    requests[number] = nil
    // Pins outlive the call, which reads the bytes.
    if !request.pinned.isEmpty { actions.unpin += request.pinned }
  }

  // MARK: Reading

  /// The download that holds the frame's bytes in memory; they stay there until ``release(_:_:)``.
  mutating func hold(_ frame: SealedChunk.Frame, of log: LogID, _ actions: inout Actions) -> Download? {
    guard let object = frame.object, let found = frames[Download.FrameKey(frame, of: log, in: object)], found.isLoaded
    else { return nil }
    entries[found.download]?.pins += 1
    want(found.download, &actions)
    return entries[found.download]?.download
  }

  mutating func release(_ number: UInt64, _ actions: inout Actions) { unpin(number, &actions) }

  // MARK: Ending

  /// Takes no more, and fails what has not begun.
  mutating func close(_ actions: inout Actions) {
    isClosed = true
    for read in reads { actions.calls.append((read.whenDone, .failure(Self.closing))) }
    reads = []
    ahead = []
    aheadRuns = [:]
    for (run, request) in fills { for _ in run.frames { frameDone(request, Self.closing, &actions) } }
    fills = []
    let waiting = ready
    ready = []
    for download in waiting { over(download, Self.closing, &actions) }
  }

  static var closing: AofError { AofError(.interrupted, "the store is being closed") }
}
