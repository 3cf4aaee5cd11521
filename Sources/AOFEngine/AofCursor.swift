import AOFCore

/// A position in a log to read from, in order or anywhere. The only way to read a log.
public struct AofCursor: ~Copyable, Sendable {
  public private(set) var position: LSN

  public enum SeekOrigin: Sendable { case start, current, end }

  /// What a read that does not wait came to.
  package enum ReadOutcome: Sendable {
    /// That many bytes are in the buffer, and the cursor moved past them. 0 at the tail.
    case read(Int)
    /// These LSNs must be hydrated first; the cursor did not move.
    case cold(Range<LSN>)
  }

  /// Reads up to `buffer.count` bytes, waiting for the remote where it must. Short only at the tail; 0 there.
  /// - Throws: `belowHead`, `corrupt`, `remoteFailure`.
  public mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(AofError) -> Int { fatalError() }

  /// Reads what needs no waiting for the remote. For threads that must not wait.
  package mutating func readResident(into buffer: UnsafeMutableRawBufferPointer) throws(AofError) -> ReadOutcome {
    fatalError()
  }

  /// - Throws: `invalidArgument` before 0 or past the tail.
  public mutating func seek(_ offset: Int64, from origin: SeekOrigin) throws(AofError) -> LSN { fatalError() }
}
