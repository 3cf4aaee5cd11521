import AOFCore
import Glibc

/// What stat(2) tells of a path, links followed.
package struct FileFacts: Sendable {
  package let isDirectory: Bool
  package let device: UInt64
  package let size: UInt64

  /// Blocks as long as the filesystem takes to answer.
  /// - Throws: `notFound`; `system(ENOTCONN)` for a mount whose daemon is gone.
  package init(of path: String) throws(AofError) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw .systemCall("stat", path, errno: errno) }
    isDirectory = status.st_mode & S_IFMT == S_IFDIR
    device = UInt64(status.st_dev)
    size = UInt64(clamping: status.st_size)
  }

  /// Whether this process runs as root.
  package static var isRoot: Bool { geteuid() == 0 }

  /// Takes from group and others every right to files that this process creates from now on.
  package static func createOnlyForOwner() { umask(0o077) }

  /// The path without links, `.` and `..`, absolute. Parts at its end may be missing: they stay as written.
  /// - Throws: what the system answered, save for missing parts.
  package static func resolved(_ path: String) throws(AofError) -> String {
    do throws(AofError) {
      return try PathFacts.absolute(path)
    } catch {
      let parent = SystemDisk.parent(of: path)
      guard error.code == .notFound, parent != path, parent != ".", let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else {
        throw error
      }
      let above = try resolved(parent)
      return (above == "/" ? "" : above) + path[slash...]
    }
  }
}
