import AOFCore
import AOFManifest
import AOFSystem
import Synchronization

/// Brings evicted frames back: however many readers want a frame, it is downloaded once, and they share the result.
///
/// Runs on threads of its own, which wait for the remote; nobody else needs to. All that they hold in memory is within one
/// budget, which ``DownloadSchedule`` keeps.
final class Hydrator: Sendable {
  /// Frames that one read of the remote fetches at most for somebody who waits: 2 MiB of log.
  static let runLength = 16
  /// As above for read-ahead, whose reader has been waiting for none of them: 4 MiB of log.
  private static let aheadLength = 32

  private struct State {
    var schedule: DownloadSchedule
    /// Jobs that are queued or run.
    var workers = 0
  }

  private let queue: any JobQueue
  private let state: Monitor<State>
  let pool: BufferPool
  let ahead = ReadAheadCounts()
  private let readers = Atomic<UInt64>(0)

  /// - Parameters:
  ///   - queue: with threads that may wait for the remote.
  ///   - budget: the bytes of memory that downloads may take.
  init(_ queue: any JobQueue, budget: Int) {
    self.queue = queue
    // Pages that come new from the kernel cost as much as unpacking what they are for.
    pool = BufferPool(keeping: budget / 2)
    state = Monitor(State(schedule: DownloadSchedule(budget: budget, pool: pool)))
  }

  /// The bytes of memory that downloads take, the most that they ever took, and what they may.
  var memory: (used: Int, peak: Int, budget: Int) {
    state.withLock { ($0.schedule.used, $0.schedule.peak, $0.schedule.budget) }
  }

  /// Fails what has not begun, finishes what has, and ends the threads.
  func close() {
    change { schedule, actions in schedule.close(&actions) }
    queue.close()
  }

  /// Waits until no download is queued or under way, and nobody works for one.
  func waitUntilIdle() { state.wait { $0.workers == 0 && $0.schedule.waiting == 0 ? () : nil } }

  // MARK: Asking

  /// Brings the frames of `range` into memory, or to the local disk where they fit; then calls `whenDone` once, on a
  /// thread of the hydrator's. They can be read until that returns. Never waits itself, but for the local manifest.
  func fetch(_ log: Aof, _ range: Range<LSN>, whenDone: @escaping DownloadSchedule.Completion) throws(AofError) {
    let runs = try Run.plan(log, range)
    change { schedule, actions in schedule.read(runs, whenDone: whenDone, &actions) }
  }

  /// Brings the frames of `range` to the local disk, then calls `whenDone` once, as above.
  func hydrate(_ log: Aof, _ range: Range<LSN>, whenDone: @escaping DownloadSchedule.Completion) throws(AofError) {
    let runs = try Run.plan(log, range).flatMap { $0.contiguous(upTo: Self.runLength) }
    change { schedule, actions in schedule.fill(runs, whenDone: whenDone, &actions) }
  }

  // MARK: Read-ahead

  /// A number for one who will ask for read-ahead.
  func newReader() -> UInt64 { readers.wrappingAdd(1, ordering: .relaxed).newValue }

  /// Brings the frames of `range` back before `reader` asks for them, if there is memory for that. `window`: how far
  /// ahead of it is read, in bytes.
  func prefetch(_ log: Aof, _ range: Range<LSN>, for reader: UInt64, window: Int) throws(AofError) {
    // Several downloads at a time, so that the link is busy while others are unpacked.
    let length = min(max(1, window / Limits.frameSize / 4), Self.aheadLength)
    let runs = try Run.plan(log, range, reader: reader).flatMap { $0.contiguous(upTo: length) }
    guard !runs.isEmpty else { return }
    change { schedule, _ in schedule.prefetch(runs) }
  }

  func cancelAhead(of reader: UInt64) { change { schedule, _ in schedule.cancelAhead(of: reader) } }

  /// How many bytes of log one reader may have fetched ahead: all of them share the memory.
  func aheadShare(of reader: UInt64) -> Int {
    let (budget, others) = state.withLock { state in
      (state.schedule.budget, state.schedule.aheadRuns.count - (state.schedule.aheadRuns[reader] == nil ? 0 : 1))
    }
    // Three quarters of it, of which the compressed bytes take their part.
    return budget / 8 * 5 / (others + 1)
  }

  // MARK: Reading from memory

  /// Copies the bytes of `range`, which lies in the frame, if they are in memory.
  func copy(
    _ frame: SealedChunk.Frame, of log: LogID, _ range: Range<LSN>, into buffer: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard let download = change({ schedule, actions in schedule.hold(frame, of: log, &actions) }) else { return false }
    defer { change { schedule, actions in schedule.release(download.number, &actions) } }
    guard let bytes = download.bytes(of: range) else { return false }
    buffer.copyMemory(from: bytes)
    return true
  }

  // MARK: Fetching

  /// Changes the schedule, does what follows from that, and asks for threads where there is work for them.
  private func change<Result>(_ body: (inout DownloadSchedule, inout DownloadSchedule.Actions) -> Result) -> Result {
    var actions = DownloadSchedule.Actions()
    let (result, jobs) = state.withLock { state in
      let result = body(&state.schedule, &actions)
      let jobs = min(Limits.downloads - state.workers, state.schedule.startable)
      state.workers += max(0, jobs)
      return (result, jobs)
    }
    for job in 0..<max(0, jobs) where !queue.add({ [self] in work() }) {
      state.withLock { $0.workers -= jobs - job }
      if !state.withLock({ $0.schedule.isClosed }) { change { schedule, actions in schedule.close(&actions) } }
      break
    }
    perform(actions)
    return result
  }

  private func perform(_ actions: DownloadSchedule.Actions) {
    for download in actions.freed { download.free() }
    if actions.wasted > 0 { ahead.wasted.wrappingAdd(UInt64(actions.wasted), ordering: .relaxed) }
    if actions.used > 0 { ahead.used.wrappingAdd(UInt64(actions.used), ordering: .relaxed) }
    for (call, result) in actions.calls { call(result) }
    guard !actions.unpin.isEmpty else { return }
    change { schedule, more in for number in actions.unpin { schedule.release(number, &more) } }
  }

  /// A thread's work: fetches as long as there is something to fetch and memory for it.
  private func work() {
    while true {
      var actions = DownloadSchedule.Actions()
      let next = state.change { state -> Download? in
        let next = state.schedule.next(&actions)
        if next == nil { state.workers -= 1 }
        return next
      }
      perform(actions)
      guard let next else { return }
      var failure: AofError?
      do throws(AofError) { try FrameFetch(next, self).fetch() } catch { failure = error }
      change { schedule, actions in schedule.over(next, failure, &actions) }
    }
  }

  // MARK: Progress of a download, told by it

  func loaded(_ download: Download, _ frame: SealedChunk.Frame) {
    change { schedule, actions in schedule.loaded(download, frame, &actions) }
  }

  func stored(_ download: Download, _ frame: SealedChunk.Frame, _ failure: AofError?) {
    change { schedule, actions in schedule.stored(download, frame, failure, &actions) }
  }

  func freedCompressed(_ download: Download) {
    change { schedule, actions in schedule.freedCompressed(download, &actions) }
  }

  func isUnread(_ download: Download) -> Bool { state.withLock { $0.schedule.isUnread(download) } }

  func abandon(_ download: Download) -> Bool { state.withLock { $0.schedule.abandon(download) } }
}

/// What became of read-ahead, in bytes of log.
final class ReadAheadCounts: Sendable {
  let fetched = Atomic<UInt64>(0)
  /// Read by somebody.
  let used = Atomic<UInt64>(0)
  /// Given up, evicted or truncated before anybody read it.
  let wasted = Atomic<UInt64>(0)
}
