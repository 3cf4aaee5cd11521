import AOFCore
import AOFEngine
import Glibc

extension AofError {
  static var otherRead: AofError { AofError(.interrupted, "another read of the same handle took what there was") }
}

extension FileSystem {
  /// Reads what comes next of the events: at once, or when there is something.
  func readEvents(
    _ reader: EventReader, into buffer: UnsafeMutableRawBufferPointer, _ flags: OpenFlags
  ) throws(AofError) -> ReadAnswer {
    if let count = reader.read(into: buffer) { return .read(count) }
    guard !flags.neverWaits else { throw AofError(.system(errno: EAGAIN), "there are no events yet") }
    let count = min(buffer.count, Self.longestEventRead)
    return .later(
      Deferred { waiter, whenDone in Self.awaitEvents(reader, count: count, for: waiter, whenDone) })
  }

  /// Lines of JSON are handed out in pieces of at most this size.
  private static let longestEventRead = 64 << 10

  private static func awaitEvents(
    _ reader: EventReader, count: Int, for waiter: any Waiter, _ whenDone: @escaping Deferred<BorrowedBytes>.WhenDone
  ) {
    reader.whenReadable { error in
      if let error { return whenDone(.failure(error)) }
      guard reader.isReadable else { return awaitEvents(reader, count: count, for: waiter, whenDone) }
      // Of who has gone nothing is taken away: the next read is to get it.
      guard waiter.stay() else { return }
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
      defer { buffer.deallocate() }
      guard let read = reader.read(into: buffer) else { return whenDone(.failure(.otherRead)) }
      whenDone(.success(BorrowedBytes(buffer: UnsafeRawBufferPointer(rebasing: buffer[..<read]))))
    }
  }

  /// Whether a read of the handle would answer at once; else `whenReadable` is called, once, when it would. Everything but
  /// the events is always ready.
  package func poll(
    _ handle: HandleID, whenReadable: (@Sendable () -> Void)?
  ) throws(AofError) -> Bool {
    guard case .events(let reader) = try handles.handle(handle) else { return true }
    if reader.isReadable { return true }
    if let whenReadable { reader.whenPollable(whenReadable) }
    return false
  }
}
