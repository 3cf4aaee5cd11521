import AOFCore
import Glibc

/// What the machine knows about a path.
package enum PathFacts {
  /// The path without links, `.` and `..`, absolute. The last part need not exist.
  /// - Throws: `notFound` if a directory on the way is missing.
  package static func absolute(_ path: String) throws(AofError) -> String {
    if let resolved = realpath(path, nil) {
      defer { free(resolved) }
      return String(cString: resolved)
    }
    guard errno == ENOENT else { throw .systemCall("realpath", path, errno: errno) }
    // By bytes: a slash and a combining accent after it would be one character.
    guard let name = path.utf8.split(separator: UInt8(ascii: "/")).last else {
      throw .systemCall("realpath", path, errno: ENOENT)
    }
    let trimmed = String(path[..<name.endIndex])
    let parent = SystemDisk.parent(of: trimmed)
    guard let resolved = realpath(parent, nil) else {
      throw .systemCall("realpath", parent, errno: errno)
    }
    defer { free(resolved) }
    let directory = String(cString: resolved)
    return (directory == "/" ? "" : directory) + "/" + String(Substring(name))
  }

  /// Space and names of the filesystem that holds `path`, as statfs(2) tells.
  package static func fileSystem(of path: String) throws(AofError) -> statvfs {
    var facts = statvfs()
    guard statvfs(path, &facts) == 0 else { throw .systemCall("statvfs", path, errno: errno) }
    return facts
  }

  /// Whose files this process makes.
  package static var userID: UInt32 { geteuid() }
  package static var groupID: UInt32 { getegid() }

  /// How many descriptors this process may have open.
  package static var descriptorLimit: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
    return Int(clamping: limit.rlim_cur)
  }

  /// The id of this process.
  package static var processID: Int32 { getpid() }
}
