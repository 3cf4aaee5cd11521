import AOFCore
import AOFEngine
import AOFFormat
import AOFManifest
import AOFRemote
import Foundation
import GRDB
import Testing

/// The tree that a store gets back of its remote alone: names, ids and attributes as they were at the last checkpoint.
@Suite struct RecoveredTreeTests {
  let store = TestStore(inMemory: true)

  private struct Entry: Hashable {
    let id: NodeID
    let kind: NodeKind
    let mode: UInt32
    let userID: UInt32
    let groupID: UInt32
    /// Of directories: a log's follows its appends.
    let changeTime: UnixTime?
  }

  private func tree(of manager: AofManager) -> [LogPath: Entry] {
    var entries: [LogPath: Entry] = [:]
    func add(_ node: NodeRecord) {
      let attributes = node.attributes
      entries[manager.path(of: node.id) ?? LogPath(names: [])] = Entry(
        id: node.id, kind: node.kind, mode: attributes.mode, userID: attributes.userID, groupID: attributes.groupID,
        changeTime: node.kind == .directory ? attributes.changeTime : nil)
      for child in manager.children(of: node.id) { add(child) }
    }
    if let root = manager.node(.root) { add(root) }
    return entries
  }

  /// A store made of a copy of the remote, so that the original may go on.
  private func recovered() throws -> TestStore {
    let other = TestStore(inMemory: true)
    // No log may be left to tell the chunk size.
    other.options.chunkSize = nil
    let remote = other.directory.appendingPathComponent("remote").path
    try FileManager.default.createDirectory(at: other.directory, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: store.path + "/remote", toPath: remote)
    var options = RecoverOptions()
    options.remote = "dir:" + remote
    _ = try AofManager.recover(other.path, options)
    return other
  }

  private func expectRecovered(_ what: Comment) throws {
    let expected = tree(of: try store.manager())
    let other = try recovered()
    #expect(tree(of: try other.manager()) == expected, what)
    // The recovery's own snapshot says as much.
    try other.close()
    try FileManager.default.removeItem(atPath: other.path)
    var options = RecoverOptions()
    options.remote = "dir:" + other.directory.appendingPathComponent("remote").path
    _ = try AofManager.recover(other.path, options)
    #expect(tree(of: try other.manager()) == expected, what)
    #expect(try !other.manager().trash().contains { expected.values.map(\.id).contains($0.id) }, what)
    try other.close()
  }

  // MARK: Changes

  private func parts(_ path: String) throws -> (parent: NodeID, name: EntryName) {
    let path = try LogPath(path)
    let parent = try #require(try store.manager().resolve(LogPath(names: path.names.dropLast())))
    return (parent.id, try #require(path.names.last))
  }

  private func makeDirectory(_ path: String) throws {
    let (parent, name) = try parts(path)
    let attributes = NodeAttributes(mode: 0o750, userID: 1, groupID: 2, now: UnixTime(rawValue: 77))
    _ = try store.manager().makeDirectory(name, in: parent, attributes: attributes)
  }

  private func removeDirectory(_ path: String) throws {
    let (parent, name) = try parts(path)
    try store.manager().removeDirectory(name, in: parent)
  }

  private func rename(_ old: String, _ new: String) throws {
    let (from, to) = (try parts(old), try parts(new))
    try store.manager().rename(from.name, in: from.parent, to: to.name, in: to.parent)
  }

  private func change(_ path: String, mode: UInt32, userID: UInt32) throws {
    let manager = try store.manager()
    let node = try #require(path.isEmpty ? manager.node(.root) : manager.resolve(LogPath(path)))
    var attributes = node.attributes
    attributes.mode = mode
    attributes.userID = userID
    attributes.changeTime = UnixTime(rawValue: attributes.changeTime.rawValue + 1)
    try manager.setAttributes(attributes, of: node.id)
  }

  private func append(_ path: String) throws { try store.log(path).append([1, 2, 3]) }

  private func chainLength() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: store.path + "/remote/manifest").count
  }

  @Test func eachChangeReachesTheRemote() throws {
    let changes: [(what: Comment, make: () throws -> Void)] = [
      ("nothing but an empty directory", { try makeDirectory("empty") }),
      ("an empty log", { _ = try store.log("a/b/nothing") }),
      ("a log", { try append("a/b/log") }),
      ("a log that is moved", { try rename("a/b/log", "a/log") }),
      ("a directory's mode and owner", { try change("a/b", mode: 0o1777, userID: 33) }),
      ("a log's mode and owner", { try change("a/log", mode: 0o604, userID: 44) }),
      ("the root's", { try change("", mode: 0o711, userID: 55) }),
      ("a moved directory with all below it", { try rename("a", "empty/z") }),
      ("a removed directory", { try makeDirectory("gone") ; try removeDirectory("gone") }),
      ("a directory in the place of a removed one", { try makeDirectory("gone") }),
      ("a directory over an empty one", { try rename("empty/z/b", "gone") }),
      ("back up", { try rename("empty/z", "a") }),
      ("a directory that stays empty", { try removeDirectory("empty") }),
      ("a log in the trash", { try store.manager().discardLog(LogPath("a/log")) }),
      ("its directory removed", { try removeDirectory("a") }),
      ("a log that is restored", { try store.manager().restoreLog(try #require(try store.manager().trash().first).id) }),
      ("names that change places", { try rename("a", "t") ; try rename("gone", "a") ; try rename("t", "gone") }),
    ]
    for (what, make) in changes {
      try make()
      let before = sequence()
      try store.manager().checkpoint()
      #expect(sequence() > before, what)
      try expectRecovered(what)
    }
    // Once it is told the remote is left in peace, also over another opening.
    let length = try chainLength()
    try store.manager().checkpoint()
    try store.close()
    try store.manager().checkpoint()
    #expect(try chainLength() == length)
  }

  private func sequence() -> Int { (try? chainLength()) ?? 0 }

  /// Whatever a checkpoint is of, it tells of all directories; the logs below a moved one wait for their own.
  @Test func aCheckpointOfOneLogTellsOfAllDirectories() throws {
    try append("d/one")
    try append("d/two")
    try store.manager().checkpoint()
    try rename("d", "e")
    try makeDirectory("f")
    try store.log("e/one").checkpoint()
    let other = try recovered()
    let names = tree(of: try other.manager()).keys.map(\.description).sorted()
    #expect(names == ["", "d", "d/two", "e", "e/one", "f"])
  }

  @Test func aRemoteThatFailsIsToldLater() throws {
    try append("log")
    try store.manager().checkpoint()
    try makeDirectory("d")
    let chain = store.path + "/remote/manifest"
    try FileManager.default.moveItem(atPath: chain, toPath: chain + ".away")
    try Data().write(to: URL(fileURLWithPath: chain))
    #expect(throws: AofError.self) { try store.manager().checkpoint() }
    try FileManager.default.removeItem(atPath: chain)
    try FileManager.default.moveItem(atPath: chain + ".away", toPath: chain)
    try store.close()
    try store.manager().checkpoint()
    try expectRecovered("the directory")
  }

  /// Nobody checkpoints: the store does it by itself.
  @Test func theRemoteIsToldByItself() throws {
    store.options.checkpoints = CheckpointPolicy(interval: .milliseconds(20), maximumAge: .milliseconds(50))
    try makeDirectory("d")
    for _ in 0..<6000 where sequence() == 0 { usleep(10_000) }
    try store.close()
    try expectRecovered("the directory")
  }

  /// A manifest that knows of the removal stands against a remote that does not, also where it is damaged.
  @Test func whatWasRemovedStaysGone() throws {
    try makeDirectory("d")
    try makeDirectory("e")
    try append("log")
    try store.manager().checkpoint()
    try removeDirectory("d")
    try store.close()
    let queue = try DatabaseQueue(path: store.path + "/manifest.sqlite")
    try queue.write { try $0.execute(sql: "UPDATE counters SET value = 2 WHERE name = 'next_node'") }
    try queue.close()
    #expect(try !AofManager.recover(store.path).wasSound)
    #expect(tree(of: try store.manager()).keys.map(\.description).sorted() == ["", "e", "log"])
  }

  /// A store whose remote was lost as well has told nobody of anything.
  @Test func aRecoveryWithoutARemoteTellsOfAllNames() throws {
    try makeDirectory("d")
    try append("log")
    _ = try store.log("empty")
    try store.manager().checkpoint()
    try store.close()
    let queue = try DatabaseQueue(path: store.path + "/manifest.sqlite")
    try queue.write {
      try $0.execute(sql: "UPDATE counters SET value = 2 WHERE name = 'next_node'")
      try $0.execute(sql: "UPDATE counters SET value = 0 WHERE name = 'remote_sequence'")
    }
    try queue.close()
    try FileManager.default.removeItem(atPath: store.path + "/remote")
    #expect(try !AofManager.recover(store.path).wasSound)
    try store.manager().checkpoint()
    try expectRecovered("all of it")
  }
}
