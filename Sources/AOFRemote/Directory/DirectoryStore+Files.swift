import AOFCore
import Glibc

/// An open descriptor, closed when it is let go. Errors carry what the kernel said; who calls says what it
/// was for.
final class DirectoryFile: Sendable {
  let descriptor: Int32

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  // MARK: Opening. No symbolic link is followed, save on the way to a root.

  static func openRoot(_ path: String) throws(AofError) -> DirectoryFile {
    let file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard file >= 0 else { throw .systemCall("open", path, errno: errno) }
    return DirectoryFile(file)
  }

  func openDirectory(_ name: String) throws(AofError) -> DirectoryFile {
    try openEntry(name, O_RDONLY | O_DIRECTORY)
  }

  /// O_NONBLOCK: a planted named pipe must not hang the caller.
  func openFile(_ name: String) throws(AofError) -> DirectoryFile {
    try openEntry(name, O_RDONLY | O_NONBLOCK)
  }

  func createFile(_ name: String) throws(AofError) -> DirectoryFile {
    try openEntry(name, O_RDWR | O_CREAT | O_EXCL)
  }

  private func openEntry(_ name: String, _ flags: Int32) throws(AofError) -> DirectoryFile {
    let file = openat(descriptor, name, flags | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw .systemCall("open", name, errno: errno) }
    return DirectoryFile(file)
  }

  /// Whether the directory was made now; false if the name is taken.
  func makeDirectory(_ name: String) throws(AofError) -> Bool {
    if mkdirat(descriptor, name, 0o700) == 0 { return true }
    guard errno == EEXIST else { throw .systemCall("mkdir", name, errno: errno) }
    return false
  }

  // MARK: Content

  /// The size in bytes of a regular file; nil for anything else.
  func regularFileSize() throws(AofError) -> UInt64? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .systemCall("fstat", "", errno: errno) }
    return Self.size(status)
  }

  /// As ``regularFileSize()``, for an entry of this directory that is not opened.
  func regularFileSize(_ name: String) throws(AofError) -> UInt64? {
    var status = stat()
    guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      throw .systemCall("stat", name, errno: errno)
    }
    return Self.size(status)
  }

  private static func size(_ status: stat) -> UInt64? {
    status.st_mode & S_IFMT == S_IFREG ? UInt64(clamping: status.st_size) : nil
  }

  /// False once the file was deleted.
  func hasName() throws(AofError) -> Bool {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .systemCall("fstat", "", errno: errno) }
    return status.st_nlink > 0
  }

  /// Reads until `buffer` is full or the file ends; returns the number of bytes.
  func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(AofError) -> Int {
    var done = 0
    while done < buffer.count {
      guard let position = Int64(exactly: offset &+ UInt64(done)) else { return done }
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = pread(descriptor, rest.baseAddress, rest.count, off_t(position))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .systemCall("pread", "", errno: errno) }
      if count == 0 { break }
      done += count
    }
    return done
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(AofError) {
    var rest = bytes
    while !rest.isEmpty {
      let count = write(descriptor, rest.baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .systemCall("write", "", errno: errno) }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  func sync() throws(AofError) {
    guard fsync(descriptor) == 0 else { throw .systemCall("fsync", "", errno: errno) }
  }

  /// Takes the exclusive lock that lasts as long as this descriptor. False if another holds it.
  func lock() throws(AofError) -> Bool {
    if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
    guard errno == EWOULDBLOCK else { throw .systemCall("flock", "", errno: errno) }
    return false
  }

  // MARK: Entries

  /// Moves `name` of this directory to `newName` of another. False if it must not replace and the name is
  /// taken.
  func rename(_ name: String, to newName: String, of directory: DirectoryFile, replacing: Bool)
    throws(AofError) -> Bool
  {
    let target = directory.descriptor
    if replacing {
      guard renameat(descriptor, name, target, newName) == 0 else {
        throw .systemCall("rename", newName, errno: errno)
      }
      return true
    }
    if renameat2(descriptor, name, target, newName, UInt32(RENAME_NOREPLACE)) == 0 { return true }
    if errno == EEXIST { return false }
    // NFS and others know no RENAME_NOREPLACE, but a link never replaces.
    guard errno == EINVAL || errno == ENOSYS else { throw .systemCall("rename", newName, errno: errno) }
    guard linkat(descriptor, name, target, newName, 0) == 0 else {
      if errno == EEXIST { return false }
      throw .systemCall("link", newName, errno: errno)
    }
    return true
  }

  /// A name that is not there is no error. False for that.
  func unlink(_ name: String) throws(AofError) -> Bool {
    if unlinkat(descriptor, name, 0) == 0 { return true }
    guard errno == ENOENT else { throw .systemCall("unlink", name, errno: errno) }
    return false
  }

  /// Names and whether they are directories, in no order; without `.` and `..`, names that are not UTF-8,
  /// and what is neither a regular file nor a directory.
  func entries() throws(AofError) -> [(name: String, isDirectory: Bool)] {
    // A descriptor of its own: the position of a directory stream belongs to the open file.
    let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0 else { throw .systemCall("open", ".", errno: errno) }
    guard let stream = fdopendir(copy) else {
      close(copy)
      throw .systemCall("fdopendir", "", errno: errno)
    }
    defer { closedir(stream) }
    var entries: [(name: String, isDirectory: Bool)] = []
    errno = 0
    while let entry = readdir(stream) {
      let length = strnlen(Self.name(of: entry), Int(NAME_MAX))
      let bytes = UnsafeRawBufferPointer(start: Self.name(of: entry), count: length)
      if let name = String(validating: bytes, as: UTF8.self), name != ".", name != "..",
        let isDirectory = isDirectory(name, type: Int(entry.pointee.d_type))
      {
        entries.append((name, isDirectory))
      }
      errno = 0
    }
    guard errno == 0 else { throw .systemCall("readdir", "", errno: errno) }
    return entries
  }

  private static func name(of entry: UnsafeMutablePointer<dirent>) -> UnsafePointer<CChar> {
    let offset = MemoryLayout<dirent>.offset(of: \dirent.d_name) ?? 0
    return UnsafePointer((UnsafeMutableRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self))
  }

  /// Nil for what is neither directory nor regular file, or is gone.
  private func isDirectory(_ name: String, type: Int) -> Bool? {
    switch type {
    case Int(DT_DIR): return true
    case Int(DT_REG): return false
    case Int(DT_UNKNOWN):
      var status = stat()
      guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
      return [S_IFDIR: true, S_IFREG: false][status.st_mode & S_IFMT]
    default: return nil
    }
  }
}
