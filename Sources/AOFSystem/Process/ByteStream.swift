import AOFCore
import CAofsShims
import Glibc

/// An open descriptor that is read and written in order: a pipe, a terminal, or a file under a mount.
package final class ByteStream: Sendable {
  package enum Mode: Sendable {
    case read
    /// O_APPEND, and writing only; the file must exist.
    case append
    /// As `append`, but a missing file is created with mode 0640 less the umask.
    case appendCreating
    /// Reading and writing at any offset.
    case readWrite
  }

  /// For messages.
  package let name: String
  package let descriptor: Int32
  private let isOwned: Bool

  package static let standardInput = ByteStream(name: "standard input", descriptor: 0, isOwned: false)
  package static let standardOutput = ByteStream(name: "standard output", descriptor: 1, isOwned: false)
  package static let standardError = ByteStream(name: "standard error", descriptor: 2, isOwned: false)

  /// - Parameter isOwned: whether the descriptor is closed with the stream.
  package init(name: String, descriptor: Int32, isOwned: Bool) {
    self.name = name
    self.descriptor = descriptor
    self.isOwned = isOwned
  }

  deinit { if isOwned { close(descriptor) } }

  /// Where the file's first byte is that is no hole; 0 for one without any, or where nobody can tell.
  package var startOfData: UInt64 { UInt64(max(0, lseek(descriptor, 0, SEEK_DATA))) }

  /// Has standard error go to the file from now on, which is created where it is missing: for a log that was moved away.
  /// - Throws: what the system answered; then all is as before.
  package static func redirectStandardError(to path: String) throws(AofError) {
    let file = try open(path, .appendCreating)
    guard dup2(file.descriptor, standardError.descriptor) >= 0 else { throw .systemCall("dup2", path, errno: errno) }
  }

  /// Opens a file. Blocks as open(2) does. - Throws: `notFound`, or what the system answered.
  package static func open(_ path: String, _ mode: Mode) throws(AofError) -> ByteStream {
    let flags =
      switch mode {
      case .read: O_RDONLY
      case .append: O_WRONLY | O_APPEND
      case .appendCreating: O_WRONLY | O_APPEND | O_CREAT
      case .readWrite: O_RDWR
      }
    while true {
      let descriptor = aofs_openat(AT_FDCWD, path, flags | O_CLOEXEC, 0o640)
      if descriptor >= 0 { return ByteStream(name: path, descriptor: descriptor, isOwned: true) }
      if errno == EINTR { continue }
      throw .systemCall("open", path, errno: errno)
    }
  }

  /// Reads what is there, waiting for the first byte; 0 at the end.
  package func read(into buffer: UnsafeMutableRawBufferPointer) throws(AofError) -> Int {
    while true {
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      if errno == EINTR { continue }
      throw .systemCall("read", name, errno: errno)
    }
  }

  /// Reads what is at `offset`, wherever the stream stands; 0 at the end.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(AofError) -> Int {
    while true {
      let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(clamping: offset))
      if count >= 0 { return count }
      if errno == EINTR { continue }
      throw .systemCall("read", name, errno: errno)
    }
  }

  /// Reads to the end, from `offset` or from where the stream stands.
  /// - Throws: `tooLarge` past `limit` bytes.
  package func readAll(from offset: UInt64? = nil, limit: Int = 1 << 30) throws(AofError) -> [UInt8] {
    var bytes: [UInt8] = []
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    defer { piece.deallocate() }
    while true {
      let count =
        if let offset { try read(into: piece, at: offset + UInt64(bytes.count)) } else {
          try read(into: piece)
        }
      if count == 0 { return bytes }
      bytes += piece.prefix(count)
      guard bytes.count <= limit else { throw AofError(.tooLarge, "\(name) is longer than \(limit) bytes") }
    }
  }

  /// Writes all of the bytes, in as few calls as the system takes them.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(AofError) {
    guard let base = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      let count = Glibc.write(descriptor, base + done, bytes.count - done)
      if count < 0 {
        if errno == EINTR { continue }
        throw .systemCall("write", name, errno: errno)
      }
      done += count
    }
  }

  package func write(_ bytes: [UInt8]) throws(AofError) {
    try bytes.span.withUnsafeBytes { buffer throws(AofError) in try write(buffer) }
  }

  /// Writes the bytes with one call, which is not repeated: for who reads each write(2) as a message.
  /// - Throws: `interrupted` when a signal came; the bytes may have been taken all the same.
  package func writeMessage(_ bytes: [UInt8]) throws(AofError) {
    let count = bytes.span.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    guard count >= 0 else { throw .systemCall("write", name, errno: errno) }
    guard count == bytes.count else {
      throw AofError(.tooLarge, "\(name) took \(count) of \(bytes.count) bytes", remedy: "write less at once")
    }
  }

  package func write(_ text: String) throws(AofError) { try write(Array(text.utf8)) }

  /// fsync. - Throws: what the system answered.
  package func sync() throws(AofError) {
    while fsync(descriptor) != 0 {
      if errno == EINTR { continue }
      throw .systemCall("fsync", name, errno: errno)
    }
  }

  /// The file's length in bytes.
  package func size() throws(AofError) -> UInt64 {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .systemCall("fstat", name, errno: errno) }
    return UInt64(clamping: status.st_size)
  }

  /// Whether a person is looking at it.
  package var isTerminal: Bool { isatty(descriptor) == 1 }
}
