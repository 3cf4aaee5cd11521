import AOFCore
import AOFEngine

/// What a READ comes to.
package enum ReadAnswer: Sendable {
  /// That many bytes are in the buffer.
  case read(Int)
  /// The bytes come from the remote. They are valid for the length of the completion only.
  case later(Deferred<BorrowedBytes>)
}

/// Bytes that someone else owns and that are valid for the length of the call that passes them.
package struct BorrowedBytes: @unchecked Sendable {  // never changed while anybody can see it: no lock
  package let buffer: UnsafeRawBufferPointer
}

extension FileSystem {
  /// How often a READ is tried again after its bytes were brought back, before it fails: they may have been
  /// evicted once more under a cache that is far too small.
  static let hydrationRounds = 8

  /// Reads into `buffer` without waiting for the remote. Short at the end of the file alone.
  /// - Parameter fillsCache: whether the kernel keeps what it gets, and holds pages locked meanwhile. It is a matter of each
  ///   READ: mappings and splice(2) go through the page cache whatever their handle is.
  package func read(
    _ handle: HandleID, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, flags: OpenFlags, fillsCache: Bool
  ) throws(AofError) -> ReadAnswer {
    switch try handles.handle(handle) {
    case .log(let handle): return try read(handle, at: offset, into: buffer, fillsCache)
    case .command(let handle): return .read(handle.read(into: buffer))
    case .text(let text):
      guard offset < UInt64(text.count) else { return .read(0) }
      let part = text[Int(offset)...].prefix(buffer.count)
      buffer.copyBytes(from: part)
      return .read(part.count)
    case .events(let reader): return try readEvents(reader, into: buffer, flags)
    case .directory: throw AofError(.isADirectory, "a directory is read by its names")
    }
  }

  private func read(
    _ handle: LogHandle, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ fillsCache: Bool
  ) throws(AofError) -> ReadAnswer {
    let (end, overflow) = offset.addingReportingOverflow(UInt64(buffer.count))
    guard !overflow else { throw AofError(.invalidArgument, "a read past the largest offset") }
    if let writeback = handle.writeback, let answer = try readHeld(handle, offset..<end, fillsCache, writeback) {
      return answer
    }
    return try readLog(handle, offset..<end, into: buffer, fillsCache)
  }

  func readLog(
    _ handle: LogHandle, _ range: Range<UInt64>, into buffer: UnsafeMutableRawBufferPointer, _ fillsCache: Bool
  ) throws(AofError) -> ReadAnswer {
    let (offset, end) = (range.lowerBound, range.upperBound)
    if fillsCache { handle.coherence.willRead(upTo: end, tail: handle.aof.watermarks.tail) }
    // Only now: an append that was answered before the note was made must be seen by this read.
    let tail = handle.aof.watermarks.tail
    guard offset < tail.rawValue else { return .read(0) }
    switch try Self.readResident(handle.aof, at: LSN(rawValue: offset), into: buffer) {
    case .read(let count):
      handle.reader.didRead(LSN(rawValue: offset)..<LSN(rawValue: offset + UInt64(count)), waited: false)
      return .read(count)
    case .cold(let range):
      let reachesTail = end > tail.rawValue & ~UInt64(options.pageSize - 1)
      if fillsCache, reachesTail, buffer.count > options.pageSize {
        // The page of the tail, once it waits for the remote, blocks the next append. The kernel answers this
        // failure by asking for each page alone, and then only those below the tail wait.
        throw AofError(.remoteFailure, "the end of the log is not on the local disk")
      }
      return .later(Self.fetched(handle, range, at: LSN(rawValue: offset), count: buffer.count))
    }
  }

  private static func readResident(
    _ aof: Aof, at lsn: LSN, into buffer: UnsafeMutableRawBufferPointer
  ) throws(AofError) -> AofCursor.ReadOutcome {
    while true {
      var cursor = aof.cursor(at: lsn)
      do throws(AofError) {
        return try cursor.readResident(into: buffer)
      } catch where error.code == .cutOff {
        // Cut between its pieces: the answer is what the log holds now.
      }
    }
  }

  /// Brings back `range`, reads again, and goes on so until the READ has all its bytes.
  private static func fetched(
    _ handle: LogHandle, _ range: Range<LSN>, at lsn: LSN, count: Int
  ) -> Deferred<BorrowedBytes> {
    Deferred(isInterruptible: true) { whenDone in
      fetch(handle.aof, range, at: lsn, count: count, rounds: hydrationRounds, whenDone)
      // After what is waited for, and before it is here.
      handle.reader.didRead(lsn..<(lsn + count), waited: true)
    }
  }

  private static func fetch(
    _ aof: Aof, _ range: Range<LSN>, at lsn: LSN, count: Int, rounds: Int,
    _ whenDone: @escaping @Sendable (Result<BorrowedBytes, AofError>) -> Void
  ) {
    guard rounds > 0 else {
      let error = AofError(
        .localFailure, "bytes \(range) of log \(aof.id) were evicted as often as they were brought back",
        remedy: "enlarge the cache")
      return whenDone(.failure(error))
    }
    aof.fetch(range) { result in
      do throws(AofError) {
        try result.get()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        defer { buffer.deallocate() }
        switch try readResident(aof, at: lsn, into: buffer) {
        case .read(let count): whenDone(.success(BorrowedBytes(buffer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))))
        case .cold(let next): fetch(aof, next, at: lsn, count: count, rounds: rounds - 1, whenDone)
        }
      } catch {
        whenDone(.failure(error))
      }
    }
  }
}
