import AOFCore
import AOFEngine
import AOFManifest
import AOFRemote
import Foundation
import GRDB
import Testing

/// Stores that are made of a remote in which an object is gone or damaged.
@Suite struct LostObjectTests {
  private let store = TestStore()
  private let bytes: [UInt8]

  /// Two logs of three objects each.
  init() throws {
    var noise = Noise(seed: 61)
    bytes = noise.bytes(300_000)
    for name in ["a", "b"] {
      try store.log(name).append(bytes)
      try store.log(name).checkpoint()
    }
  }

  /// The object of a chunk of log `b`.
  private func object(_ chunk: Int) throws -> URL {
    let directory = store.path + "/remote/chunks/\(try store.log("b").id)/" + String(format: "%016lx", chunk)
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: directory).first)
    return URL(fileURLWithPath: directory + "/" + name)
  }

  private func recovered() throws -> (TestStore, RecoverReport) {
    try store.close()
    let fresh = TestStore()
    fresh.options.remoteGrace = .zero
    var options = RecoverOptions()
    options.remote = "dir:" + store.path + "/remote"
    try FileManager.default.createDirectory(at: fresh.directory, withIntermediateDirectories: true)
    return (fresh, try AofManager.recover(fresh.path, options))
  }

  private func damageManifest(of store: TestStore) throws {
    let queue = try DatabaseQueue(path: store.path + "/manifest.sqlite")
    try queue.write { try $0.execute(sql: "UPDATE counters SET value = 2 WHERE name = 'next_node'") }
    try queue.close()
  }

  private enum Loss: CaseIterable { case gone, short, damagedTrailer }

  @Test("Only the log whose object is lost ends there", arguments: Loss.allCases)
  private func onlyOneLogEnds(_ loss: Loss) throws {
    let (lost, behind) = (try object(1), try object(2))
    let size = try Data(contentsOf: lost).count
    switch loss {
    case .gone: try FileManager.default.removeItem(at: lost)
    case .short: try Data(contentsOf: lost).prefix(1000).write(to: lost)
    case .damagedTrailer: try lost.overwrite(at: size - 60, with: [0xA5, 0x5A, 0xA5])
    }
    let (fresh, report) = try recovered()
    #expect(report.logs.map(\.tail) == [300_000, 131_072])
    #expect(report.notes.contains { $0.contains(lost.lastPathComponent) }, "\(report.notes)")
    #expect(report.notes.contains { $0.contains("2 objects from LSN 131072 on are left") }, "\(report.notes)")
    #expect(try fresh.log("a").contents() == bytes)
    // It goes on, and no sweep takes the sound object behind.
    #expect(try fresh.log("b").generation == Generation(rawValue: 1))
    for _ in 0..<3 {
      try fresh.log("b").append([7])
      try fresh.manager().checkpoint()
    }
    #expect(try fresh.log("b").contents() == Array(bytes[..<131_072]) + [7, 7, 7])
    #expect(FileManager.default.fileExists(atPath: behind.path))
    try fresh.close()
    var options = VerifyOptions()
    options.remote = true
    let verified = try AofManager.verify(fresh.path, options)
    #expect(verified.isGood, "\(verified.problems) \(verified.logs)")
    // Neither does one after another recovery, which knows of them by the manifest.
    try damageManifest(of: fresh)
    #expect(try !AofManager.recover(fresh.path).wasSound)
    try fresh.log("b").append([7])
    try fresh.manager().checkpoint()
    #expect(FileManager.default.fileExists(atPath: behind.path))
    // With the log they go.
    try fresh.manager().discardLog(LogPath("b"))
    try fresh.manager().purge([try #require(fresh.manager().trash().first).id])
    try fresh.manager().checkpoint()
    #expect(!FileManager.default.fileExists(atPath: behind.path))
  }

  /// A manifest that has a row for the object does not need to ask it.
  @Test func whatTheDiskHoldsIsTaken() throws {
    try FileManager.default.removeItem(at: object(1))
    try store.close()
    try damageManifest(of: store)
    #expect(try !AofManager.recover(store.path).wasSound)
    #expect(try store.log("b").contents() == bytes)
  }

  @Test func aRemoteThatFailsEndsTheRecovery() throws {
    try store.close()
    let remote = FaultyRemote(try DirectoryStore(path: store.path + "/remote", create: false))
    remote.state.withLock { $0.readFaults = [.fail(AofError(.remoteFailure, "no answer"))] }
    let fresh = TestStore()
    try FileManager.default.createDirectory(at: fresh.directory, withIntermediateDirectories: true)
    var options = RecoverOptions()
    options.remote = "dir:" + store.path + "/remote"
    let error = #expect(throws: AofError.self) {
      try AofManager.recover(fresh.path, options, environment: .system, remote: remote)
    }
    #expect(error?.code == .remoteFailure)
    #expect(try !AofManager.recover(fresh.path, options, environment: .system, remote: remote).wasSound)
    #expect(try fresh.log("b").contents() == bytes)
  }
}
