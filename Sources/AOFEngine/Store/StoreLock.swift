import AOFCore
import AOFSystem

/// The hold of one process on a store. The kernel lets go of it when the process ends, however it ends.
///
/// The lock of the file `lock` is what others wait for, and the file says who holds it. The store's directory is locked besides: the
/// file can be removed, and a second process would then lock a new one.
final class StoreLock: Sendable {
  /// Taken before the file, and let go of before it, so that whoever has waited for the file gets both.
  private let directory: File?
  private let file: File?

  private init(_ directory: File?, _ file: File?) {
    self.directory = directory
    self.file = file
  }

  /// - Throws: `locked`, naming the process that holds the store and its mount point.
  static func acquire(_ layout: StoreLayout, mountPoint: String?, disk: any Disk) throws(AofError) -> StoreLock {
    let directory = try lockedDirectory(layout, disk)
    let file = try disk.open(layout.lock, .readWriteCreate)
    guard try file.tryLockExclusively() else { throw try inUse(layout, file) }
    let text = "process \(PathFacts.processID)" + (mountPoint.map { ", mounted on \($0)" } ?? "") + "\n"
    try file.truncate(0)
    try Array(text.utf8).withTypedBytes { bytes throws(AofError) in try file.write(bytes, at: 0) }
    return StoreLock(directory, file)
  }

  /// As ``acquire(_:mountPoint:disk:)``, without writing anything. Of a store without the file only the directory is locked; nil
  /// for one that has neither.
  static func acquireForReading(_ layout: StoreLayout, disk: any Disk) throws(AofError) -> StoreLock? {
    do throws(AofError) {
      let directory = try lockedDirectory(layout, disk)
      let file = try existing(layout, disk)
      if let file, try !file.tryLockExclusively() { throw try inUse(layout, file) }
      return directory == nil && file == nil ? nil : StoreLock(directory, file)
    } catch where error.code == .notFound {
      return nil
    }
  }

  /// Nil where directories cannot be locked: there the file alone counts.
  private static func lockedDirectory(_ layout: StoreLayout, _ disk: any Disk) throws(AofError) -> File? {
    guard let directory = try disk.openForLocking(directory: layout.root) else { return nil }
    let isLocked: Bool
    do throws(AofError) { isLocked = try directory.tryLockExclusively() } catch { return nil }
    guard isLocked else { throw try inUse(layout, existing(layout, disk)) }
    return directory
  }

  private static func existing(_ layout: StoreLayout, _ disk: any Disk) throws(AofError) -> File? {
    do throws(AofError) { return try disk.open(layout.lock, .read) } catch where error.code == .notFound { return nil }
  }

  private static func inUse(_ layout: StoreLayout, _ file: File?) throws(AofError) -> AofError {
    AofError(
      .locked, "the store \(layout.root) is in use by \(try holder(file))",
      remedy: "use it through its mount point, or unmount it first")
  }

  /// Lets go of the store before the process ends.
  func release() {
    try? directory?.unlock()
    try? file?.unlock()
  }

  private static func holder(_ file: File?) throws(AofError) -> String {
    guard let file else { return "another process" }
    var buffer = [UInt8](repeating: 0, count: 4200)
    let count = try buffer.withTypedMutableBytes { buffer throws(AofError) in try file.read(into: buffer, at: 0) }
    let text = String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").first
    return text.map(String.init) ?? "another process"
  }
}
