import AOFCore
import AOFFormat

/// Choosing by hand where the tail's WAL goes on.
extension Aof {
  /// Creates a segment that can take the tail over from `lsn` on. Blocks on the local disk.
  ///
  /// The segment is not part of the WAL before ``setTailSegment(_:)``; one that is never activated is removed at the
  /// next opening of the store.
  public func prepareTailSegment(startingAt lsn: LSN) throws(AofError) -> WalSegment {
    try wal.asCommitter { () throws(AofError) in try wal.prepareSegment(forLog: (id, lsn)) }
  }

  /// Activates a fresh segment: the log's next append, and those of all logs with the same WAL, go there. What older
  /// segments hold is protected as before, until it is applied.
  /// - Throws: `notAtTail` if the segment does not start at the tail LSN; `invalidArgument` if it was prepared for
  ///   another log, or if the WAL has moved on since. Then nothing changes.
  public func setTailSegment(_ segment: WalSegment) throws(AofError) {
    try wal.asCommitter { () throws(AofError) in
      guard let start = segment.start, start.log == id else {
        throw AofError(.invalidArgument, "the segment \(segment.path) was not prepared for log \(id)")
      }
      let tail = tailLSN
      guard start.lsn == tail else {
        throw AofError(
          .notAtTail, "the segment starts at LSN \(start.lsn), and the tail is at \(tail)",
          remedy: "prepare a segment that starts at the tail")
      }
      guard wal.continues(with: segment) else {
        throw AofError(
          .invalidArgument, "the WAL has moved on since the segment \(segment.path) was prepared",
          remedy: "prepare another")
      }
      try wal.activate(segment)
    }
  }
}
