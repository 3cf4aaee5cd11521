import AOFCore

/// Names on a disk: opening, renaming, listing. A parameter of the engine, so that a simulation can bring
/// a disk that forgets, tears and fails. All calls block on local I/O and throw what the system answered.
package protocol Disk: Sendable {
  /// - Throws: `notFound` unless the file exists or `mode` creates it; `alreadyExists` for `createNew`.
  func open(_ path: String, _ mode: OpenMode) throws(AofError) -> File
  /// Creates the directory, and those above it that are missing, each with mode 0700 and made durable in
  /// its parent. What exists already is fine.
  func createDirectory(_ path: String) throws(AofError)
  /// Replaces the target, if there is one. Durable only after ``syncDirectory(_:)``.
  func rename(_ path: String, to newPath: String) throws(AofError)
  /// Durable only after ``syncDirectory(_:)``.
  func remove(_ path: String) throws(AofError)
  func syncDirectory(_ path: String) throws(AofError)
  /// The names in a directory, sorted, without `.` and `..`. - Throws: `notFound`.
  func list(_ path: String) throws(AofError) -> [String]
  func exists(_ path: String) -> Bool
}

package enum OpenMode: Sendable {
  case read
  case readWrite
  /// Reading and writing; creates the file, mode 0600, if it is missing.
  case readWriteCreate
  /// Reading and writing; refuses an existing file.
  case createNew
}
