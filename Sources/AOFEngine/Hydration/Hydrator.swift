import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// Brings evicted frames back: however many readers want a frame, it is downloaded once, and they share the result.
///
/// Runs on threads of its own, which wait for the remote; nobody else needs to.
final class Hydrator: Sendable {
  /// One frame of one object. After a cut an LSN may have another.
  struct FrameKey: Hashable {
    let object: String
    let index: Int
  }

  /// Somebody who waits for a number of frames.
  final class Waiter: Sendable {
    struct State {
      var remaining: Int
      var failure: AofError?
    }

    let state: Monitor<State>
    let whenDone: @Sendable (Result<Void, AofError>) -> Void

    init(frames: Int, whenDone: @escaping @Sendable (Result<Void, AofError>) -> Void) {
      state = Monitor(State(remaining: frames))
      self.whenDone = whenDone
    }

    /// Counts one frame as done, and calls back after the last.
    func frameDone(_ failure: AofError?) {
      let result: Result<Void, AofError>? = state.withLock { state in
        state.remaining -= 1
        if state.failure == nil { state.failure = failure }
        guard state.remaining == 0 else { return nil }
        return state.failure.map { .failure($0) } ?? .success(())
      }
      if let result { whenDone(result) }
    }
  }

  /// Frames that lie next to each other in one object, for one ranged read.
  struct Run: Sendable {
    let log: Aof
    let chunk: SealedChunk
    let object: StoredObject
    var frames: [SealedChunk.Frame]
  }

  /// Frames that one read of the remote fetches at most: 2 MiB of log.
  static let runLength = 16

  private let queue: any JobQueue
  private let inFlight = Monitor<[FrameKey: [Waiter]]>([:])

  /// `queue`: with threads that may wait for the remote.
  init(_ queue: any JobQueue) { self.queue = queue }

  /// Finishes what is queued and ends the threads.
  func close() { queue.close() }

  /// Brings back the frames of `range` that are not on the local disk, then calls `whenDone` once, on a thread of the
  /// hydrator's. Never waits itself, but for the local manifest.
  func hydrate(
    _ log: Aof, _ range: Range<LSN>, whenDone: @escaping @Sendable (Result<Void, AofError>) -> Void
  ) throws(AofError) {
    let runs = try Self.runs(of: log, range)
    let waiter = Waiter(frames: runs.reduce(1) { $0 + $1.frames.count }, whenDone: whenDone)
    var accepted = true
    for run in runs {
      // A frame that is under way already is waited for, and left out of the download.
      var fresh = run
      inFlight.withLock { inFlight in
        fresh.frames.removeAll { frame in
          let key = FrameKey(object: run.object.key, index: frame.index)
          defer { inFlight[key, default: []].append(waiter) }
          return inFlight[key] != nil
        }
      }
      for piece in Self.contiguous(fresh) {
        accepted = queue.add { [self] in fetch(piece) }
        if !accepted { finish(piece, Self.closing) }
      }
    }
    // The last count is ours, so that no callback comes before all frames are registered.
    if !queue.add({ waiter.frameDone(nil) }) { waiter.frameDone(Self.closing) }
  }

  private static var closing: AofError { AofError(.interrupted, "the store is being closed") }

  // MARK: Planning

  /// The cold frames of a range, by object.
  private static func runs(of log: Aof, _ range: Range<LSN>) throws(AofError) -> [Run] {
    var runs: [Run] = []
    let marks = log.watermarks
    let wanted = range.clamped(to: marks.head..<marks.sealed)
    var position = wanted.lowerBound
    while position < wanted.upperBound {
      let span = log.chunkSize.firstSpan(of: position..<wanted.upperBound)
      let chunk = try log.chunks.chunk(log.chunkID(for: position))
      for frame in chunk.coldFrames(in: span) {
        guard let object = frame.object else {
          throw AofError(
            .corrupt, "LSN \(frame.range.lowerBound) of log \(log.id) is neither on the local disk nor in the remote")
        }
        if let last = runs.last, last.object == object {
          runs[runs.count - 1].frames.append(frame)
        } else {
          runs.append(Run(log: log, chunk: chunk, object: object, frames: [frame]))
        }
      }
      position = span.upperBound
    }
    return runs
  }

  /// Splits a run where frames are missing between, and where it gets too long for one read.
  private static func contiguous(_ run: Run) -> [Run] {
    var pieces: [Run] = []
    for frame in run.frames {
      if let last = pieces.last?.frames.last, last.index + 1 == frame.index,
        pieces[pieces.count - 1].frames.count < runLength
      {
        pieces[pieces.count - 1].frames.append(frame)
      } else {
        pieces.append(Run(log: run.log, chunk: run.chunk, object: run.object, frames: [frame]))
      }
    }
    return pieces
  }

  // MARK: Fetching

  private func fetch(_ run: Run) {
    var failure: AofError?
    do throws(AofError) {
      try FrameFetch(run).fetch()
    } catch {
      failure = error
    }
    finish(run, failure)
  }

  /// Tells everybody who waits for these frames. A failure is theirs alone: the next read tries anew.
  private func finish(_ run: Run, _ failure: AofError?) {
    for frame in run.frames {
      let key = FrameKey(object: run.object.key, index: frame.index)
      let waiters = inFlight.withLock { $0.removeValue(forKey: key) ?? [] }
      for waiter in waiters { waiter.frameDone(failure) }
    }
  }
}
