import AOFCore
import CAofsShims
import Glibc

/// An open directory: names are looked up below it, wherever it is moved meanwhile. No symbolic link is followed, save
/// on the way to the first one. All calls block on the filesystem and throw what it answered; errors name the entry
/// alone, so who calls says what it was for.
package final class DirectoryHandle: Sendable {
  private let descriptor: Int32

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// - Throws: `notFound`.
  package convenience init(_ path: String) throws(AofError) {
    self.init(try Self.open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY))
  }

  private static func open(_ directory: Int32, _ name: String, _ flags: Int32) throws(AofError) -> Int32 {
    while true {
      let descriptor = aofs_openat(directory, name, flags | O_CLOEXEC, 0o600)
      if descriptor >= 0 { return descriptor }
      if errno == EINTR { continue }
      throw .systemCall("open", name, errno: errno)
    }
  }

  // MARK: Opening

  /// - Throws: `notFound`.
  package func openDirectory(_ name: String) throws(AofError) -> DirectoryHandle {
    DirectoryHandle(try Self.open(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
  }

  /// For reading. Whether it is a regular file, ``File/regularSize()`` says. - Throws: `notFound`.
  package func openFile(_ name: String) throws(AofError) -> File {
    // O_NONBLOCK: a planted named pipe must not hang the caller.
    File(path: name, descriptor: try Self.open(descriptor, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW))
  }

  /// For reading and writing, with mode 0600. - Throws: `alreadyExists`.
  package func createFile(_ name: String) throws(AofError) -> File {
    File(path: name, descriptor: try Self.open(descriptor, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW))
  }

  // MARK: Entries

  /// Whether the directory was made now, with mode 0700; false if the name is taken.
  package func makeDirectory(_ name: String) throws(AofError) -> Bool {
    if mkdirat(descriptor, name, 0o700) == 0 { return true }
    guard errno == EEXIST else { throw .systemCall("mkdir", name, errno: errno) }
    return false
  }

  /// The size in bytes of a regular file, which is not opened; nil for anything else. - Throws: `notFound`.
  package func regularSize(of name: String) throws(AofError) -> Int? {
    var status = stat()
    guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      throw .systemCall("stat", name, errno: errno)
    }
    return status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
  }

  /// Makes names that were added and removed survive power loss.
  package func sync() throws(AofError) {
    while fsync(descriptor) != 0 {
      if errno == EINTR { continue }
      throw .systemCall("fsync", "directory", errno: errno)
    }
  }

  /// Moves `name` of this directory to `newName` of another. False if it must not replace and the name is
  /// taken.
  package func rename(
    _ name: String, to newName: String, of directory: DirectoryHandle, replacing: Bool
  ) throws(AofError) -> Bool {
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
  package func unlink(_ name: String) throws(AofError) -> Bool {
    if unlinkat(descriptor, name, 0) == 0 { return true }
    guard errno == ENOENT else { throw .systemCall("unlink", name, errno: errno) }
    return false
  }

  /// Names and whether they are directories, in no order; without `.` and `..`, names that are not UTF-8,
  /// and what is neither a regular file nor a directory.
  package func entries() throws(AofError) -> [(name: String, isDirectory: Bool)] {
    // A descriptor of its own: the position of a directory stream belongs to the open file.
    let copy = try Self.open(descriptor, ".", O_RDONLY | O_DIRECTORY)
    guard let stream = fdopendir(copy) else {
      close(copy)
      throw .systemCall("fdopendir", ".", errno: errno)
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
    guard errno == 0 else { throw .systemCall("readdir", ".", errno: errno) }
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
