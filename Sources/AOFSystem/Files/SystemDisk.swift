import AOFCore
import CAofsShims
import Glibc

/// The machine's own filesystems.
package struct SystemDisk: Disk {
  package init() {}

  package func open(_ path: String, _ mode: OpenMode) throws(AofError) -> File {
    let flags =
      switch mode {
      case .read: O_RDONLY
      case .readWrite: O_RDWR
      case .readWriteCreate: O_RDWR | O_CREAT
      case .createNew: O_RDWR | O_CREAT | O_EXCL
      }
    while true {
      // O_NOFOLLOW: a link planted in a store must not lead us out of it.
      let descriptor = aofs_openat(AT_FDCWD, path, flags | O_CLOEXEC | O_NOFOLLOW, 0o600)
      if descriptor >= 0 { return File(path: path, descriptor: descriptor) }
      if errno == EINTR { continue }
      throw .systemCall("open", path, errno: errno)
    }
  }

  package func makeDirectory(_ path: String) throws(AofError) {
    guard mkdir(path, 0o700) == 0 else { throw .systemCall("mkdir", path, errno: errno) }
  }

  package func rename(_ path: String, to newPath: String) throws(AofError) {
    guard Glibc.rename(path, newPath) == 0 else { throw .systemCall("rename", path, errno: errno) }
  }

  package func remove(_ path: String) throws(AofError) {
    guard unlink(path) == 0 else { throw .systemCall("unlink", path, errno: errno) }
  }

  package func removeDirectory(_ path: String) throws(AofError) {
    guard rmdir(path) == 0 else { throw .systemCall("rmdir", path, errno: errno) }
  }

  package func openForLocking(directory: String) throws(AofError) -> File? {
    File(path: directory, descriptor: try Self.openDirectory(directory))
  }

  package func volume(of directory: String) throws(AofError) -> any Volume {
    SystemVolume(directory, try Self.openDirectory(directory))
  }

  private static func openDirectory(_ path: String) throws(AofError) -> Int32 {
    while true {
      let descriptor = aofs_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
      if descriptor >= 0 { return descriptor }
      guard errno == EINTR else { throw .systemCall("open", path, errno: errno) }
    }
  }

  package func syncDirectory(_ path: String) throws(AofError) {
    let descriptor = try Self.openDirectory(path)
    defer { close(descriptor) }
    while fsync(descriptor) != 0 {
      if errno == EINTR { continue }
      throw .systemCall("fsync", path, errno: errno)
    }
  }

  package func list(_ path: String) throws(AofError) -> [String] {
    guard let stream = opendir(path) else { throw .systemCall("opendir", path, errno: errno) }
    defer { closedir(stream) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw .systemCall("readdir", path, errno: errno) }
    return names.sorted()
  }

  package func checkDirectory(_ path: String) throws(AofError) {
    guard try FileFacts(of: path).isDirectory else {
      throw AofError(.notADirectory, "\(path) is not a directory", remedy: "name another place, or move it away")
    }
  }

  package func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// The directory that holds `path`.
  package static func parent(of path: String) -> String {
    // By bytes: a slash and a combining accent after it would be one character.
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

private final class SystemVolume: Volume {
  private let path: String
  /// Open for as long as failures are to be told of.
  private let descriptor: Int32

  init(_ path: String, _ descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  func sync() throws(AofError) {
    while syncfs(descriptor) != 0 {
      if errno == EINTR { continue }
      throw .systemCall("syncfs", path, errno: errno)
    }
  }
}
