import AOFCore

/// How far ahead of one reader is fetched: nothing as long as it jumps about, one frame once it reads in order and has to
/// wait, then twice as much with each wait, until that makes it no faster: then the link is full.
///
/// The kernel sends the reads of one program out of order now and then, so one that is near counts as in its place.
struct ReadAheadWindow {
  enum Action: Equatable {
    case nothing
    /// The reader went elsewhere.
    case drop
    case fetch(Range<LSN>)
  }

  /// Bytes.
  static let maximum = 64 << 20
  /// Reads that differ by as much from the expected place are late or early, and not elsewhere.
  static let nearby = 2 * Limits.maximumRequest
  /// Up to here each wait doubles the window. What one doubling of less brings is lost in noise.
  static let slowStart = 4 << 20
  /// How many windows are read after growing was of no use, before it is tried again: the link may have changed.
  private static let patience = 16

  private(set) var size = 0
  private var expected: LSN?
  private var inOrder = 0
  private var requested = LSN.zero
  /// Bytes that were read since `since`, at the present size.
  private var consumed = 0
  private var since: UnixTime?
  /// Bytes a second, the best so far.
  private var bestRate = 0.0
  private var idleWindows = 0

  /// - Parameters:
  ///   - waited: whether the reader had to wait for the remote.
  ///   - limit: what the window may take, in bytes; asked for only where there is a window.
  mutating func read(
    _ range: Range<LSN>, waited: Bool, limit: @autoclosure () -> Int, now: () -> UnixTime
  ) -> Action {
    guard isInPlace(range) else {
      let hadWindow = size > 0
      self = ReadAheadWindow()
      expected = range.upperBound
      return hadWindow ? .drop : .nothing
    }
    guard inOrder > 0, let position = expected else { return .nothing }
    consumed += range.byteCount
    if waited { grow(now) }
    guard size > 0 else { return .nothing }
    size = min(size, limit())
    return request(from: position)
  }

  /// Whether the read goes on where the reader was; notes it, if so.
  private mutating func isInPlace(_ range: Range<LSN>) -> Bool {
    guard let next = expected else { return false }
    if range.lowerBound == next {
      inOrder += 1
    } else if inOrder == 0 {
      return false
    } else if max(range.lowerBound, next) - min(range.lowerBound, next) > Self.nearby {
      return false
    }
    expected = max(next, range.upperBound)
    return true
  }

  private mutating func grow(_ now: () -> UnixTime) {
    guard size >= Self.slowStart else {
      size = min(max(Limits.frameSize, 2 * size), Self.maximum)
      consumed = 0
      since = size >= Self.slowStart ? now() : nil
      return
    }
    guard consumed >= size else { return }
    let time = now()
    let seconds = max(1e-6, time.seconds(since: since ?? time))
    let rate = Double(consumed) / seconds
    consumed = 0
    since = time
    idleWindows += 1
    guard rate > bestRate * 1.1 || idleWindows >= Self.patience else { return }
    bestRate = rate
    idleWindows = 0
    size = min(2 * size, Self.maximum)
  }

  /// What is to be fetched now, in pieces of at least half the window, so that adjacent frames come with one request.
  private mutating func request(from position: LSN) -> Action {
    guard size > 0 else { return .nothing }
    let frame = UInt64(Limits.frameSize)
    let (end, overflow) = position.rawValue.addingReportingOverflow(UInt64(size) + frame - 1)
    guard !overflow, end <= LSN.max.rawValue else { return .nothing }
    let target = LSN(rawValue: end / frame * frame)
    let start = max(position, requested)
    guard target > start, start == position || target - start >= size / 2 else { return .nothing }
    requested = target
    return .fetch(start..<target)
  }
}
