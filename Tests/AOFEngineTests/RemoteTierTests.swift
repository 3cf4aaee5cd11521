import AOFCore
import AOFFormat
@testable import AOFEngine
import AOFManifest
import AOFRemote
import Foundation
import GRDB
import Testing

@Suite struct RemoteTierTests {
  /// A store whose remote can be told to fail.
  private func faulty() throws -> (TestStore, FaultyRemote) {
    let store = TestStore()
    let directory = store.directory.appendingPathComponent("remote")
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    let remote = FaultyRemote(try DirectoryStore(path: directory.path, create: true))
    store.remote = remote
    return (store, remote)
  }

  @Test func evictedBytesComeBackFrameByFrame() throws {
    let (store, remote) = try faulty()
    let log = try store.log()
    var noise = Noise(seed: 11)
    let bytes = noise.bytes(1_000_000)
    try log.append(bytes)
    #expect(try log.checkpoint() == 1_000_000)
    #expect(try log.evict().rawValue == 1_000_000)
    #expect(try log.extents().allSatisfy { $0.residency == .evicted })
    #expect(try log.bytes(at: 300_000, count: 10) == Array(bytes[300_000..<300_010]))
    #expect(remote.state.withLock { $0.reads } == 1)
    store.waitForDownloads()
    #expect(try log.extents().filter { $0.residency == .resident }.count == 1)
    #expect(try log.contents() == bytes)
    store.waitForDownloads()
    // Residency is remembered; a second pass asks for nothing.
    let reads = remote.state.withLock { $0.reads }
    #expect(try log.contents() == bytes)
    try store.close()
    #expect(try store.log().contents() == bytes)
    #expect(remote.state.withLock { $0.reads } == reads)
  }

  @Test func manyReadersShareOneDownload() throws {
    let (store, remote) = try faulty()
    let log = try store.log()
    var noise = Noise(seed: 12)
    let bytes = noise.bytes(100_000)
    try log.append(bytes)
    try log.checkpoint()
    try log.evict()
    remote.state.withLock { $0.isHanging = true }
    let release = Thread {
      while remote.state.withLock({ $0.reads }) == 0 { usleep(1000) }
      usleep(50_000)
      remote.state.withLock { $0.isHanging = false }
    }
    release.start()
    DispatchQueue.concurrentPerform(iterations: 16) { _ in
      #expect((try? log.contents()) == bytes)
    }
    #expect(remote.state.withLock { $0.reads } == 1)
  }

  @Test func aFailedDownloadPoisonsNothing() throws {
    let (store, remote) = try faulty()
    let log = try store.log()
    try log.append([UInt8](repeating: 7, count: 5000))
    try log.checkpoint()
    try log.evict()
    remote.state.withLock { $0.readFaults = [.fail(AofError(.remoteFailure, "down"))] }
    #expect(#expect(throws: AofError.self) { try log.contents() }?.code == .remoteFailure)
    #expect(try log.contents() == [UInt8](repeating: 7, count: 5000))
  }

  @Test func wrongBytesAreAskedForAgainAndNeverServed() throws {
    let (store, remote) = try faulty()
    let log = try store.log()
    var noise = Noise(seed: 13)
    let bytes = noise.bytes(50_000)
    try log.append(bytes)
    try log.checkpoint()
    try log.evict()
    remote.state.withLock { $0.readFaults = [.flipBit, .flipBit, .flipBit] }
    #expect(try log.contents() == bytes)
    #expect(remote.state.withLock { $0.reads } == 4)
    // Until then the bytes are in memory still.
    store.waitForDownloads()
    try log.evict()
    remote.state.withLock { $0.readFaults = [.flipBit, .flipBit, .flipBit, .flipBit] }
    let error = #expect(throws: AofError.self) { try log.contents() }
    #expect(error?.errno == EIO)
    #expect(try log.contents() == bytes)
  }

  @Test func damagedLocalFramesComeBackFromTheRemote() throws {
    let (store, remote) = try faulty()
    let log = try store.log()
    var noise = Noise(seed: 14)
    let bytes = noise.bytes(200_000)
    try log.append(bytes)
    try log.checkpoint()
    let id = log.id
    try store.close()
    try store.file(String(format: "chunks/%016lx/%016lx.chunk", id.rawValue, 0)).overwrite(at: 5, with: [bytes[5] ^ 0x80])
    #expect(try store.log().contents() == bytes)
    #expect(remote.state.withLock { $0.reads } == 1)
    #expect(try store.log().verify(remote: true).problems.isEmpty)
  }

  @Test func nothingIsUploadedTwice() throws {
    let (store, remote) = try faulty()
    let log = try store.log()
    try log.append([1, 2, 3])
    try log.checkpoint()
    try log.checkpoint()
    try store.close()
    #expect(try store.log().checkpoint() == 3)
    #expect(remote.state.withLock { $0.commits } == 1)
    try store.log().append([4])
    #expect(try store.log().checkpoint() == 4)
    #expect(remote.state.withLock { $0.commits } == 2)
  }

  @Test func aRemoteThatIsDownLosesNothing() throws {
    let (store, remote) = try faulty()
    let log = try store.log()
    try log.append([1, 2, 3])
    remote.state.withLock { $0.putFault = AofError(.remoteFailure, "down") }
    #expect(#expect(throws: AofError.self) { try log.checkpoint() }?.code == .remoteFailure)
    #expect(log.watermarks.sealed == 3)
    #expect(log.watermarks.remote == 0)
    #expect(try log.evict().rawValue == 0)
    try log.append([4])
    #expect(try log.contents() == [1, 2, 3, 4])
    remote.state.withLock { $0.putFault = nil }
    #expect(try log.checkpoint() == 4)
  }

  /// Each request waits as long as it is repeated, and there may be thousands of logs.
  @Test func aRemoteThatIsDownIsNotAskedForEachLog() throws {
    let (store, remote) = try faulty()
    let logs = try (0..<20).map { try store.log("log-\($0)") }
    for log in logs { try log.append([1]) }
    remote.state.withLock { $0.putFault = AofError(.remoteFailure, "down") }
    let results = try store.manager().checkpoint(logs)
    #expect(results.count == 20)
    for result in results.values { #expect(throws: AofError.self) { try result.get() } }
    #expect(remote.state.withLock { $0.refused.count } <= 3)
    remote.state.withLock { $0.putFault = nil }
    try store.manager().checkpoint()
    #expect(logs.allSatisfy { $0.watermarks.remote == 1 })
  }

  /// Logs that a remote does not take, for what is in them or for their names, keep no others from it for long.
  @Test func whatNoRemoteTakesKeepsNoOthersFromIt() throws {
    let (store, remote) = try faulty()
    let logs = try (0..<8).map { try store.log("log-\($0)") }
    for log in logs { try log.append([1]) }
    remote.state.withLock { state in
      state.putFault = AofError(.remoteFailure, "too large")
      state.putFaultPrefixes = logs[0..<3].map { ObjectKey.directory(of: $0.id) }
    }
    for _ in 0..<2 { _ = try store.manager().checkpoint(logs) }
    #expect(logs.map { $0.watermarks.remote == 1 } == [false, false, false, true, true, true, true, true])
  }

  @Test func aLeaseKeepsItsChunk() throws {
    let (store, _) = try faulty()
    let log = try store.log()
    try log.append([UInt8](repeating: 1, count: 300_000))
    try log.checkpoint()
    var cursor = try log.openCursor(at: 140_000)
    var buffer = [UInt8](repeating: 0, count: 10)
    _ = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) }
    try log.evict()
    #expect(try log.extents().map(\.residency) == [.evicted, .resident, .evicted])
    _ = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) }
    _ = consume cursor
    try log.evict()
    #expect(try log.extents().allSatisfy { $0.residency == .evicted })
  }

  @Test func theEndOfALogCanBeKept() throws {
    let (store, _) = try faulty()
    let log = try store.log()
    try log.append([UInt8](repeating: 1, count: 400_000))
    try log.checkpoint()
    #expect(try log.evict(keepingLast: 200_000).rawValue == 131_072)
    #expect(try log.extents().map(\.residency) == [.evicted, .resident, .resident, .resident])
  }

  @Test func anotherStoresRemoteIsRefused() throws {
    let (store, remote) = try faulty()
    try store.log().append([1])
    try store.log().checkpoint()
    let other = TestStore()
    other.remote = remote
    try other.log().append([2])
    #expect(#expect(throws: AofError.self) { try other.log().checkpoint() }?.code == .notAStore)
  }

  /// A copy of the store that was opened later has a higher epoch; the first one must stop writing.
  @Test func aWriterThatWasOvertakenIsFenced() throws {
    let (store, remote) = try faulty()
    try store.log().append([1])
    try store.log().checkpoint()
    let copy = try store.crashed()
    copy.remote = remote
    _ = try copy.manager()
    try copy.close()
    try copy.log().append([2])
    try copy.log().checkpoint()
    try store.log().append([3])
    #expect(#expect(throws: AofError.self) { try store.log().checkpoint() }?.code == .fenced)
    #expect(try store.log().contents() == [1, 3])
  }

  /// A store directory that was brought back from a backup, while the remote had gone on.
  @Test func anOlderCopyPublishesNothingOverWhatIsNewer() throws {
    let (store, remote) = try faulty()
    try store.log().append([1])
    try store.log().checkpoint()
    for newer in 0..<3 {
      let copy = try store.crashed()
      copy.remote = remote
      switch newer {
      case 0:
        try store.log().append([2])
        try store.log().checkpoint()
      case 1:
        try store.log().truncate(TruncationRequest(.tail, at: LSN(rawValue: 1), timeout: .seconds(60)))
        try store.log().checkpoint()
      default:
        try store.log("other").append([3])
        try store.manager().checkpoint()
      }
      try copy.log().append([9])
      #expect(#expect(throws: AofError.self) { try copy.log().checkpoint() }?.code == .fenced, "\(newer)")
      #expect(try copy.log().contents().last == 9)
      try copy.close()
    }
    // The newer one goes on.
    try store.log().append([4])
    try store.manager().checkpoint()
    #expect(try store.log().watermarks.remote == LSN(rawValue: 2))
  }

  /// What was trimmed and purged has no objects any more, and the older copy would believe that it has.
  @Test(arguments: [TruncationRequest.Direction?.some(.head), nil])
  func anOlderCopyThatHasWhatIsGonePublishesNothing(_ direction: TruncationRequest.Direction?) throws {
    let (store, remote) = try faulty()
    store.options.remoteGrace = .zero
    try store.log().append([UInt8](repeating: 1, count: 300_000))
    try store.log("other").append([2])
    try store.manager().checkpoint()
    let copy = try store.crashed()
    copy.remote = remote
    if let direction {
      try store.log().truncate(TruncationRequest(direction, at: 262_144))
    } else {
      let id = try store.log().id
      try store.manager().discardLog(LogPath("log"))
      try store.manager().purge([id])
    }
    try store.manager().checkpoint()
    try copy.log("other").append([9])
    #expect(#expect(throws: AofError.self) { try copy.manager().checkpoint() }?.code == .fenced)
    #expect(#expect(throws: AofError.self) { try copy.log().evict() }?.code == .fenced)
    #expect(try copy.log().contents() == [UInt8](repeating: 1, count: 300_000))
    try store.log("other").append([3])
    try store.manager().checkpoint()
    #expect(try store.log("other").watermarks.remote == 2)
  }

  /// A lock on one object, say.
  @Test func whatCannotBeDeletedKeepsNothingElse() throws {
    let (store, remote) = try faulty()
    store.options.remoteGrace = .zero
    let log = try store.log()
    try log.append([1])
    try log.checkpoint()
    let keys = ["locked", "a", "b", "c"].map { "chunks/\($0)" }
    for (index, key) in keys.enumerated() {
      try store.manager().services.manifest.recordOrphans([(key, log.id)], at: UnixTime(rawValue: Int64(index)))
    }
    remote.state.withLock { $0.undeletable = [keys[0]] }
    try log.append([2])
    try log.checkpoint()
    #expect(try store.manager().services.manifest.droppedObjects(of: [log.id]) == [keys[0]])
    #expect(try store.manager().incidents.contains { $0.message.contains("are left in") })
  }

  /// There may be as many as a log had, and other checkpoints wait meanwhile.
  @Test func whatIsNamedNoMoreIsDeletedSomeAtATime() throws {
    let (store, remote) = try faulty()
    store.options.remoteGrace = .zero
    let log = try store.log()
    try log.append([1])
    try log.checkpoint()
    let keys = (0..<1500).map { "chunks/orphan-\($0)" }
    try store.manager().services.manifest.recordOrphans(keys.map { ($0, log.id) }, at: UnixTime(rawValue: 0))
    try log.append([2])
    try log.checkpoint()
    #expect(remote.state.withLock { $0.requests.deletes } == 1000)
    try log.append([3])
    try log.checkpoint()
    #expect(remote.state.withLock { $0.requests.deletes } == 1500)
  }

  @Test(arguments: [false, true]) func filesOfOthersOutliveAPurge(_ isPublished: Bool) throws {
    let (store, remote) = try faulty()
    let names = ["chunks/2/mine.txt", "chunks/2/0000000000000000/data.csv"]
    for name in names { _ = try [UInt8(1)].withUnsafeBytes { try remote.put($0, as: RemoteKey(name), .always) } }
    let log = try store.log()
    try log.append([1])
    if isPublished { try log.checkpoint() }
    try store.manager().discardLog(LogPath("log"))
    try store.manager().purge([log.id])
    for name in names { #expect(try remote.size(of: RemoteKey(name)) == 1) }
    #expect(try remote.list(RemoteKey("chunks"), after: nil, limit: 10).count == 2)
  }

  /// A manifest that gives one object to two extents of different lengths: an error, and no look at other memory.
  @Test func anObjectThatTwoExtentsNameIsDamage() throws {
    let store = TestStore()
    let log = try store.log()
    var noise = Noise(seed: 3)
    let bytes = noise.bytes(300_000)
    try log.append(bytes)
    try log.checkpoint()
    try log.evict()
    try store.close()
    try DatabaseQueue(path: store.path + "/manifest.sqlite").write { database in
      try database.execute(
        sql: """
          UPDATE extents SET (object_key, object_size, object_checksum, object_frames) =
            (SELECT object_key, object_size, object_checksum, object_frames FROM extents WHERE first_lsn = 131072)
          WHERE first_lsn <> 131072
          """)
    }
    let damaged = try store.log()
    #expect(try damaged.bytes(at: LSN(rawValue: 140_000), count: 100) == Array(bytes[140_000..<140_100]))
    for start in [0, 262_144] {
      #expect(#expect(throws: AofError.self) { try damaged.bytes(at: LSN(rawValue: UInt64(start)), count: 100) }?.code == .corrupt)
    }
    #expect(try damaged.bytes(at: LSN(rawValue: 240_000), count: 10) == Array(bytes[240_000..<240_010]))
  }
}
