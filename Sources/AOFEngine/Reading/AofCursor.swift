import AOFCore
import AOFSystem

/// A position in a log to read from, in order or anywhere: the one way to read a log.
///
/// Crosses chunk boundaries, reads the tail, and brings back what is evicted. While it lives it holds a lease on
/// its current chunk, if that is sealed.
public struct AofCursor: ~Copyable, Sendable {
  /// The LSN of the byte that the next read starts with.
  public private(set) var position: LSN

  private let log: Aof
  private var hold: ReadHold
  /// Nil where the caller knows itself what is read one after the other.
  private let reader: LogReader?

  /// What an offset of ``seek(_:from:)`` counts from.
  public enum SeekOrigin: Sendable {
    /// LSN 0.
    case start
    case current
    /// The tail at the time of the call.
    case end
  }

  /// What a read that does not wait came to.
  package enum ReadOutcome: Sendable {
    /// That many bytes are in the buffer, and the cursor moved past them. 0 at the tail.
    case read(Int)
    /// Frames of this range must be hydrated first; the cursor did not move.
    case cold(Range<LSN>)
  }

  init(log: Aof, position: LSN, generation: Generation, reader: LogReader?) {
    self.log = log
    self.reader = reader
    self.position = position
    hold = ReadHold(generation: generation)
  }

  /// Fills the buffer from the cursor on, waiting for the remote where it must, and moves past what it read.
  /// - Returns: the bytes read: fewer than the buffer takes only at the tail, 0 there.
  /// - Throws: `belowHead`; `cutOff` if the log was cut below the cursor, until it is moved; `corrupt`, `remoteFailure`, local failures; then the cursor did not move.
  public mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(AofError) -> Int {
    var count = 0
    var attempt = 0
    var waited = false
    while count < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
      switch try log.readSpan(at: position + count, into: rest, hold: &hold) {
      case .read(0): return advance(count, waited: waited)
      case .read(let more):
        count += more
        attempt = 0
      case .cold:
        attempt += 1
        guard attempt <= Self.attempts else {
          throw AofError(.busy, "LSN \(position + count) was evicted as often as it was hydrated")
        }
        waited = true
        try fetch(count..<min(buffer.count, count + Limits.maximumRequest))
      }
    }
    return advance(count, waited: waited)
  }

  /// Waits until the bytes at these distances from the position are in memory, or on the local disk.
  private func fetch(_ distance: Range<Int>) throws(AofError) {
    let range = (position + distance.lowerBound)..<(position + distance.upperBound)
    let result = Monitor<Result<Void, AofError>?>(nil)
    try log.services.hydrator.fetch(log, range) { outcome in result.change { $0 = outcome } }
    try result.wait { $0 }.get()
  }

  /// How often a read hydrates the same bytes before it gives up.
  private static let attempts = 8

  /// As ``read(into:)``, for threads that must not wait for the remote.
  package mutating func readResident(into buffer: UnsafeMutableRawBufferPointer) throws(AofError) -> ReadOutcome {
    var count = 0
    while count < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
      switch try log.readSpan(at: position + count, into: rest, hold: &hold) {
      case .read(0): return .read(advance(count, waited: false))
      case .read(let more): count += more
      case .cold: return .cold(position..<(position + buffer.count))
      }
    }
    return .read(advance(count, waited: false))
  }

  private mutating func advance(_ count: Int, waited: Bool) -> Int {
    reader?.didRead(position..<(position + count), waited: waited)
    position = position + count
    return count
  }

  /// Moves the cursor `offset` bytes from `origin`, and returns where it then stands.
  /// - Throws: `invalidArgument` before LSN 0 or past the tail; then the cursor did not move.
  @discardableResult
  public mutating func seek(_ offset: Int64, from origin: SeekOrigin = .start) throws(AofError) -> LSN {
    let (tail, generation) = log.end
    let base =
      switch origin {
      case .start: LSN.zero
      case .current: position
      case .end: tail
      }
    let (sum, overflow) = Int64(clamping: base.rawValue).addingReportingOverflow(offset)
    guard !overflow, sum >= 0, UInt64(sum) <= tail.rawValue else {
      throw AofError(
        .invalidArgument, "\(offset) bytes from LSN \(base) is not in the log, which ends at LSN \(tail)")
    }
    position = LSN(rawValue: UInt64(sum))
    hold.generation = generation
    return position
  }
}

/// What a reader holds on to from one read to the next.
struct ReadHold: ~Copyable, Sendable {
  /// On the chunk of the last read, if that was sealed.
  var lease: ChunkLease?
  /// The one in which the reader's position was chosen, or last found good.
  var generation: Generation

  init(generation: Generation) { self.generation = generation }
}
