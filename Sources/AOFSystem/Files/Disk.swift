import AOFCore
import Glibc

/// Names on a disk: opening, renaming, listing. A parameter of the engine, so that a simulation can bring
/// a disk that forgets, tears and fails. All calls block on local I/O and throw what the system answered.
package protocol Disk: Sendable {
  /// - Throws: `notFound` unless the file exists or `mode` creates it; `alreadyExists` for `createNew`.
  func open(_ path: String, _ mode: OpenMode) throws(AofError) -> File
  /// Creates one directory, mode 0700. Durable only after ``syncDirectory(_:)`` of the one above it.
  /// - Throws: `alreadyExists`; `notFound` if the one above it is missing.
  func makeDirectory(_ path: String) throws(AofError)
  /// Replaces the target, if there is one. Durable only after ``syncDirectory(_:)``.
  func rename(_ path: String, to newPath: String) throws(AofError)
  /// Durable only after ``syncDirectory(_:)``.
  func remove(_ path: String) throws(AofError)
  /// Removes an empty directory. Durable only after ``syncDirectory(_:)`` of the one above it.
  func removeDirectory(_ path: String) throws(AofError)
  func syncDirectory(_ path: String) throws(AofError)
  /// What a directory lies on. - Throws: `notFound`.
  func volume(of directory: String) throws(AofError) -> any Volume
  /// The names in a directory, sorted, without `.` and `..`. - Throws: `notFound`.
  func list(_ path: String) throws(AofError) -> [String]
  func exists(_ path: String) -> Bool
  /// - Throws: `notFound`, also for a link that leads nowhere; `notADirectory` for anything but a directory or a link
  ///   to one.
  func checkDirectory(_ path: String) throws(AofError)
  /// A directory, open for ``File/tryLockExclusively()`` alone; nil on a disk whose directories know no locks.
  /// - Throws: `notFound`.
  func openForLocking(directory: String) throws(AofError) -> File?
}

/// A filesystem, to be synced as a whole: for many files one call instead of one for each.
package protocol Volume: Sendable {
  /// Makes all that was written, and all names, survive power loss, what others wrote too.
  /// - Throws: what could not be, since the volume was asked for or this was called last. What failed of a single file
  ///   before, that file knows alone: ``File/checkWrites()``.
  func sync() throws(AofError)
}

extension Disk {
  package func openForLocking(directory: String) throws(AofError) -> File? { nil }

  /// Creates the directory, and those above it that are missing, each made durable in its parent. What exists already
  /// is fine, and made durable as well: whoever created it may have failed to, or was killed before.
  package func createDirectory(_ path: String) throws(AofError) {
    let parent = SystemDisk.parent(of: path)
    do throws(AofError) {
      try makeDirectory(path)
    } catch where error.code == .alreadyExists {
      try checkDirectory(path)
      // A directory above it that we may not read is not one that we created it in.
      do throws(AofError) {
        return try syncDirectory(parent)
      } catch where error.code == .system(errno: EACCES) {
        return
      }
    } catch where error.code == .notFound && parent != path {
      try createDirectory(parent)
      // Only once: what is missing now is a link that leads nowhere, or is being removed as we go.
      do throws(AofError) {
        try makeDirectory(path)
      } catch where error.code == .alreadyExists {
        try checkDirectory(path)
      }
    }
    try syncDirectory(parent)
  }
}

package enum OpenMode: Sendable {
  case read
  case readWrite
  /// Reading and writing; creates the file, mode 0600, if it is missing.
  case readWriteCreate
  /// Reading and writing; refuses an existing file.
  case createNew
}
