import AOFCore
import AOFSystem
import Glibc

/// The directory to mount on, checked: what the kernel or fusermount3 would refuse with one errno for many
/// reasons, or not refuse at all.
struct MountPoint {
  /// Absolute, without symbolic links, as the kernel's mount table has it.
  let path: String

  /// - Throws: `notFound`, `notADirectory`, `notEmpty`, `busy`, and `notFound` without /dev/fuse.
  init(checking given: String, mayHideFiles: Bool) throws(AofError) {
    guard access("/dev/fuse", F_OK) == 0 else {
      throw AofError(
        .notFound, "/dev/fuse does not exist",
        remedy: "load the module with 'modprobe fuse'; in a container, pass the device with '--device /dev/fuse'")
    }
    var status = stat()
    guard stat(given, &status) == 0 else { throw Self.unusable(given, errno) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw AofError(.notADirectory, "mount point \(given) is not a directory", remedy: "name an empty directory")
    }
    guard let resolved = realpath(given, nil) else { throw Self.unusable(given, errno) }
    path = String(cString: resolved)
    free(resolved)
    if let mounted = try MountTable.current().entry(at: path), mounted.type.hasPrefix("fuse") {
      throw Self.busy(path)
    }
    if !mayHideFiles { try Self.checkEmpty(path) }
  }

  private static func unusable(_ path: String, _ errno: Int32) -> AofError {
    switch errno {
    case ENOENT:
      AofError(.notFound, "mount point \(path) does not exist", remedy: "create it with 'mkdir \(path)'")
    case ENOTDIR:
      AofError(.notADirectory, "mount point \(path) is not a directory", remedy: "name an empty directory")
    case ENOTCONN:
      AofError(
        .busy, "mount point \(path) holds a mount whose daemon is gone",
        remedy: "remove it with 'fusermount3 -u \(path)'")
    default: .systemCall("stat", path, errno: errno)
    }
  }

  private static func busy(_ path: String) -> AofError {
    AofError(
      .busy, "something is mounted on \(path) already", remedy: "unmount it with 'fusermount3 -u \(path)', or choose another")
  }

  /// Files below a mount are out of sight, and programs that start too early write there without a word.
  private static func checkEmpty(_ path: String) throws(AofError) {
    guard let directory = opendir(path) else { throw .systemCall("opendir", path, errno: errno) }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      // "." and ".." are the only names of at most two bytes that begin with a dot and hold nothing else.
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard name == "." || name == ".." else {
        throw AofError(
          .notEmpty, "mount point \(path) is not empty: it holds '\(name)'",
          remedy: "move what is in it, or choose another")
      }
    }
  }
}
