import AOFCore
import AOFEngine
import Foundation
import Testing

/// A directory remote that is away, as a share is that nobody mounted.
@Suite struct RemoteAwayTests {
  private func store() throws -> (TestStore, remote: URL, away: URL) {
    let store = TestStore()
    let remote = store.directory.appendingPathComponent("share")
    store.options.remote = "dir:" + remote.path
    try store.log().append([UInt8](repeating: 1, count: 200_000))
    try store.log().checkpoint()
    try store.log().evict()
    try store.close()
    return (store, remote, store.directory.appendingPathComponent("away"))
  }

  @Test func isNeverCreatedAnew() throws {
    let (store, remote, away) = try store()
    try FileManager.default.moveItem(at: remote, to: away)
    let log = try store.log()
    #expect(!FileManager.default.fileExists(atPath: remote.path))
    try log.append([2])
    #expect(#expect(throws: AofError.self) { try log.checkpoint() }?.code == .remoteFailure)
    #expect(#expect(throws: AofError.self) { try log.bytes(at: 0, count: 1) }?.code == .remoteFailure)
    #expect(try log.bytes(at: 200_000, count: 1) == [2])
    #expect(try store.manager().incidents.contains { $0.message.contains("remote") })
    // It is used again as soon as it is back.
    try FileManager.default.moveItem(at: away, to: remote)
    #expect(try log.checkpoint() == 200_001)
    #expect(try log.contents() == [UInt8](repeating: 1, count: 200_000) + [2])
  }

  /// A share that was unmounted by force leaves a directory that takes nothing any more, whatever is mounted later.
  @Test func isOpenedAnewByItsPathOnceItFailed() throws {
    let (store, remote, away) = try store()
    let log = try store.log()
    _ = try log.bytes(at: 0, count: 1)
    try FileManager.default.copyItem(at: remote, to: away)
    try FileManager.default.removeItem(at: remote)
    try log.append([2])
    #expect(throws: AofError.self) { try log.checkpoint() }
    try FileManager.default.moveItem(at: away, to: remote)
    #expect(try log.checkpoint() == 200_001)
    #expect(try log.contents() == [UInt8](repeating: 1, count: 200_000) + [2])
  }

  @Test func anEmptyDirectoryInItsPlaceTakesNothing() throws {
    let (store, remote, away) = try store()
    try FileManager.default.moveItem(at: remote, to: away)
    try FileManager.default.createDirectory(at: remote, withIntermediateDirectories: true)
    let log = try store.log()
    try log.append([2])
    #expect(throws: AofError.self) { try log.checkpoint() }
    #expect(try FileManager.default.contentsOfDirectory(atPath: remote.path).isEmpty)
    #expect(log.watermarks.remote == 200_000)
    // As a share that is mounted in its place.
    try FileManager.default.removeItem(at: remote)
    try FileManager.default.moveItem(at: away, to: remote)
    #expect(try log.checkpoint() == 200_001)
    #expect(try log.contents() == [UInt8](repeating: 1, count: 200_000) + [2])
  }
}
