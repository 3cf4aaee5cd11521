import AOFCore
import AOFRemote
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// Stores that checkpoint by themselves.
@Suite struct AutomaticCheckpointTests {
  /// Waits, at most as long as a test may hang.
  private func wait(_ what: String, until isSo: () throws -> Bool) throws {
    for _ in 0..<6000 {
      if try isSo() { return }
      usleep(10_000)
    }
    Issue.record("waited in vain for \(what)")
  }

  private func store(_ policy: CheckpointPolicy) -> TestStore {
    let store = TestStore(inMemory: true)
    store.options.checkpoints = policy
    return store
  }

  @Test func aFullChunkIsUploadedAndTheTailIsNot() throws {
    let store = store(CheckpointPolicy())
    let log = try store.log()
    try log.append([UInt8](repeating: 1, count: 200_000))
    try wait("the first chunk") { log.watermarks.remote == 131_072 }
    #expect(log.watermarks.sealed == 131_072)
    try store.close()
  }

  @Test func smallNewsIsUploadedWhenItIsOldAlsoOfALogThatNobodyUses() throws {
    let quiet = TestStore(inMemory: true)
    try quiet.log().append([1, 2, 3])
    try quiet.close()
    quiet.options.checkpoints = CheckpointPolicy(interval: .milliseconds(20), maximumAge: .milliseconds(50))
    let manager = try quiet.manager()
    try wait("the object") { try manager.openLog("log").watermarks.remote == 3 }
    try manager.openLog("log").truncate(TruncationRequest(.tail, at: 1))
    try wait("the truncation") { try manager.openLog("log").watermarks.remote == 1 }
    try quiet.close()
  }

  @Test func aRemoteThatComesBackIsTakenUp() throws {
    let store = store(CheckpointPolicy(interval: .milliseconds(20), maximumAge: .milliseconds(50)))
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    let remote = FaultyRemote(try DirectoryStore(path: store.directory.path + "/remote", create: true))
    remote.state.withLock { $0.putFault = AofError(.remoteFailure, "away") }
    store.remote = remote
    let log = try store.log()
    try log.append([1])
    let manager = try store.manager()
    try wait("the report") { manager.incidents.contains { $0.message.contains("automatic checkpoint failed") } }
    // The checkpoint's own event counts the failure.
    let totals = manager.observation.totals
    #expect(totals.errors[.remote] == totals.failedCheckpoints)
    // Appends and local reads do not notice.
    try log.append([2])
    #expect(try log.contents() == [1, 2])
    remote.state.withLock { $0.putFault = nil }
    try wait("the checkpoint") { log.watermarks.remote == 2 }
    #expect(manager.incidents.filter { $0.message.contains("automatic checkpoint failed") }.count == 1)
    try store.close()
  }

  /// Its bytes are lost; those of others must not fill the disk meanwhile.
  @Test func aDamagedLogKeepsNoOthersFromTheRemote() throws {
    let store = store(CheckpointPolicy(interval: .milliseconds(20), maximumAge: .milliseconds(20)))
    store.options.checkpoints = nil
    let damaged = try store.log("damaged")
    try damaged.append([UInt8](repeating: 1, count: 100))
    try damaged.sealTail()
    let id = damaged.id
    try store.close()
    try store.file(String(format: "chunks/%016lx/%016lx.chunk", id.rawValue, 0)).overwrite(at: 5, with: [9])
    store.options.checkpoints = CheckpointPolicy(interval: .milliseconds(20), maximumAge: .milliseconds(20))
    let log = try store.log()
    let manager = try store.manager()
    try wait("the report") { manager.incidents.contains { $0.message.contains("log \(id) cannot be checkpointed") } }
    // A pause of all would be longer with each failure.
    for round in 1...20 {
      try log.append([UInt8(round)])
      try wait("round \(round)") { log.watermarks.remote == LSN(rawValue: UInt64(round)) }
    }
    #expect(!manager.incidents.contains { $0.message.contains("automatic checkpoint failed") })
    try store.close()
  }

  @Test func closingDoesNotWaitForAnUpload() throws {
    let store = TestStore(inMemory: true)
    let log = try store.log()
    try log.append([UInt8](repeating: 1, count: 1 << 20))
    let manager = try store.manager()
    manager.services.checkpointer.cancel()
    #expect(#expect(throws: AofError.self) { try log.checkpoint() }?.code == .interrupted)
    try store.close()
    #expect(try store.log().checkpoint() == LSN(rawValue: 1 << 20))
  }
}
