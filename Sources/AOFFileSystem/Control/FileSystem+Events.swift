import AOFCore
import AOFEngine
import Glibc

extension FileSystem {
  /// Reads what comes next of the events: at once, or when there is something.
  func readEvents(
    _ reader: EventReader, into buffer: UnsafeMutableRawBufferPointer, _ flags: OpenFlags
  ) throws(AofError) -> ReadAnswer {
    if let count = reader.read(into: buffer) { return .read(count) }
    guard !flags.neverWaits else { throw AofError(.system(errno: EAGAIN), "there are no events yet") }
    let count = min(buffer.count, Self.longestEventRead)
    return .later(
      Deferred(isInterruptible: true) { whenDone in Self.awaitEvents(reader, count: count, whenDone) })
  }

  /// Lines of JSON are handed out in pieces of at most this size.
  private static let longestEventRead = 64 << 10

  private static func awaitEvents(
    _ reader: EventReader, count: Int, _ whenDone: @escaping @Sendable (Result<BorrowedBytes, AofError>) -> Void
  ) {
    reader.whenReadable { error in
      if let error { return whenDone(.failure(error)) }
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
      defer { buffer.deallocate() }
      guard let read = reader.read(into: buffer) else { return awaitEvents(reader, count: count, whenDone) }
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
