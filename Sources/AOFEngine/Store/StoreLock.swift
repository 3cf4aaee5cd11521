import AOFCore
import AOFSystem

/// The hold of one process on a store. The kernel lets go of it when the process ends, however it ends.
final class StoreLock: Sendable {
  private let file: File

  private init(_ file: File) { self.file = file }

  /// - Throws: `locked`, naming the process that holds the store and its mount point.
  static func acquire(_ layout: StoreLayout, mountPoint: String?, disk: any Disk) throws(AofError) -> StoreLock {
    let file = try disk.open(layout.lock, .readWriteCreate)
    guard try file.tryLockExclusively() else { throw try inUse(layout, file) }
    let text = "process \(PathFacts.processID)" + (mountPoint.map { ", mounted on \($0)" } ?? "") + "\n"
    try file.truncate(0)
    try Array(text.utf8).withTypedBytes { bytes throws(AofError) in try file.write(bytes, at: 0) }
    return StoreLock(file)
  }

  /// As ``acquire(_:mountPoint:disk:)``, without writing anything; nil for a store without the file, which nobody holds.
  static func acquireForReading(_ layout: StoreLayout, disk: any Disk) throws(AofError) -> StoreLock? {
    let file: File
    do throws(AofError) {
      file = try disk.open(layout.lock, .read)
    } catch where error.code == .notFound {
      return nil
    }
    guard try file.tryLockExclusively() else { throw try inUse(layout, file) }
    return StoreLock(file)
  }

  private static func inUse(_ layout: StoreLayout, _ file: File) throws(AofError) -> AofError {
    AofError(
      .locked, "the store \(layout.root) is in use by \(try holder(file))",
      remedy: "use it through its mount point, or unmount it first")
  }

  /// Lets go of the store before the process ends.
  func release() { try? file.unlock() }

  private static func holder(_ file: File) throws(AofError) -> String {
    var buffer = [UInt8](repeating: 0, count: 4200)
    let count = try buffer.withTypedMutableBytes { buffer throws(AofError) in try file.read(into: buffer, at: 0) }
    let text = String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").first
    return text.map(String.init) ?? "another process"
  }
}
