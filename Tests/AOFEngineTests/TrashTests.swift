import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem
import Foundation
import GRDB
import Testing

@testable import AOFEngine

/// A clock that stands still until it is told otherwise.
final class TestClock: WallClock {
  private let time = Lock(UnixTime(seconds: 1_800_000_000, nanoseconds: 0))

  func now() -> UnixTime { time.withLock { $0 } }
  func pass(days: Int64) {
    time.withLock { $0 = UnixTime(seconds: $0.seconds + days * 86_400, nanoseconds: $0.nanoseconds) }
  }
}

@Suite struct TrashTests {
  let store = TestStore()
  let clock = TestClock()
  private let bytes: [UInt8]

  init() throws {
    store.environment = Environment(disk: SystemDisk(), clock: clock, random: Environment.system.random)
    var noise = Noise(seed: 51)
    bytes = noise.bytes(300_000)
  }

  private func fill(_ name: String, _ range: Range<Int>) throws -> Aof {
    let log = try store.log(name)
    try log.append(Array(bytes[range]))
    return log
  }

  private func discard(_ name: String) throws { try store.manager().discardLog(LogPath(name)) }

  private func resolve(_ name: String) throws -> LogID? { try store.manager().resolve(LogPath(name))?.id }

  /// The files of chunks, and of the remote's objects.
  private func files(_ directory: String) -> [String] {
    (FileManager.default.enumerator(atPath: store.file(directory).path)?.allObjects as? [String] ?? []).filter {
      $0.hasSuffix(".chunk") || $0.hasSuffix(".zst")
    }
  }

  private func expectSound(_ store: TestStore) throws {
    try store.close()
    var options = VerifyOptions()
    options.remote = true
    let report = try AofManager.verify(store.path, options, environment: store.environment)
    #expect(report.isGood, "\(report.problems) \(report.logs)")
  }

  private func state() throws -> RemoteManifestState {
    let remote = try RemoteLocation(parsing: "dir:remote", workingDirectory: store.path).open(create: false)
    return try RemoteManifestStore(remote, storeID: store.manager().settings.storeID, create: false).state()
  }

  // MARK: There and back

  @Test func aDiscardedLogIsOutOfSightAndGoesOn() throws {
    let log = try fill("d/log", 0..<200_000)
    try log.sealTail()
    try discard("d/log")
    #expect(try store.manager().logs().isEmpty)
    try store.manager().removeDirectory(EntryName("d"), in: .root)
    // Whoever has it goes on with it, and a new log of that name is another.
    try log.append(Array(bytes[200_000...]))
    try log.sync()
    #expect(try log.contents() == bytes)
    #expect(try fill("d/log", 0..<10).id != log.id)
    let copy = try store.crashed()
    copy.environment = store.environment
    let trashed = try #require(try copy.manager().trash().first)
    #expect(trashed.id == log.id && trashed.path.description == "d/log" && trashed.size.rawValue == 300_000)
    #expect(trashed.deletedAt == clock.now() && trashed.purgedFrom > clock.now())
    try copy.manager().restoreLog(log.id, as: LogPath("e/f/back"))
    #expect(try copy.log("e/f/back").contents() == bytes)
    #expect(try copy.log("d/log").contents() == Array(bytes[..<10]))
    try copy.log("e/f/back").append([1])
    try copy.close()
    #expect(try copy.log("e/f/back").contents() == bytes + [1])
    try expectSound(copy)
  }

  @Test func aRenameOverALogDiscardsIt() throws {
    let (old, new) = (try fill("a", 0..<1000), try fill("b", 1000..<3000))
    let (from, to) = (try EntryName("b"), try EntryName("a"))
    let manager = try store.manager()
    #expect(
      #expect(throws: AofError.self) { try manager.rename(from, in: .root, to: to, in: .root) }?.code == .notPermitted)
    #expect(
      #expect(throws: AofError.self) { try manager.rename(from, in: .root, to: to, in: .root, replacing: .nothing) }?.code
        == .alreadyExists)
    try manager.rename(from, in: .root, to: to, in: .root, replacing: .anything)
    #expect(try resolve("a") == new.id && resolve("b") == nil)
    #expect(try manager.trash().map(\.id) == [old.id])
    try store.close()
    #expect(try store.log("a").contents() == Array(bytes[1000..<3000]))
    #expect(#expect(throws: AofError.self) { try store.manager().restoreLog(old.id) }?.code == .alreadyExists)
    try store.manager().restoreLog(old.id, as: LogPath("b"))
    #expect(try store.log("b").contents() == Array(bytes[..<1000]))
  }

  @Test func restoringMakesDirectoriesAndRefusesWhatIsTaken() throws {
    let log = try fill("d/e/log", 0..<100)
    try discard("d/e/log")
    let manager = try store.manager()
    try manager.removeDirectory(EntryName("e"), in: try #require(try resolve("d")))
    try manager.removeDirectory(EntryName("d"), in: .root)
    _ = try fill("d", 0..<1)
    #expect(#expect(throws: AofError.self) { try manager.restoreLog(log.id) }?.code == .notADirectory)
    try manager.rename(EntryName("d"), in: .root, to: EntryName("x"), in: .root)
    try manager.restoreLog(log.id)
    #expect(try store.log("d/e/log").contents() == Array(bytes[..<100]))
    #expect(#expect(throws: AofError.self) { try manager.restoreLog(log.id) }?.code == .notFound)
  }

  // MARK: Purging

  @Test func purgingTakesEveryByte() throws {
    let log = try fill("log", 0..<200_000)
    try log.checkpoint()
    try log.append(Array(bytes[200_000...]))
    try log.sync()
    _ = try fill("other", 0..<10)
    try store.manager().checkpoint()
    #expect(!files("chunks").filter { $0.hasPrefix("0000000000000002") }.isEmpty)
    try discard("log")
    let manager = try store.manager()
    try manager.purge([log.id])
    #expect(files("chunks").filter { $0.hasPrefix("0000000000000002") }.isEmpty)
    #expect(files("remote").filter { $0.hasPrefix("chunks/2/") }.isEmpty)
    let other = try resolve("other")
    let found = try state()
    #expect(Array(found.logs.keys) == [other].compactMap { $0 } && found.problems.isEmpty)
    // Nothing can be done with it any more, and nothing of it is asked for.
    for code in [
      #expect(throws: AofError.self, performing: { try log.append([1]) })?.code,
      #expect(throws: AofError.self, performing: { try log.sync() })?.code,
      #expect(throws: AofError.self, performing: { try log.sealTail() })?.code,
      #expect(throws: AofError.self, performing: { try log.bytes(at: 0, count: 1) })?.code,
      #expect(throws: AofError.self, performing: { try manager.purge([log.id]) })?.code,
    ] { #expect(code == .purged || code == .notFound) }
    #expect(manager.incidents.isEmpty)
    // Frames of it are left in the WAL: they mean nothing.
    let copy = try store.crashed()
    #expect(try copy.log("other").contents() == Array(bytes[..<10]))
    #expect(try copy.manager().incidents.isEmpty && copy.manager().trash().isEmpty)
    try expectSound(copy)
    try expectSound(store)
  }

  @Test func aPurgedLogLeavesNothingInMemory() throws {
    weak var log: Aof?
    do { log = try fill("log", 0..<1000) }
    try discard("log")
    #expect(log != nil)
    // Its frames are in the segment that still takes appends.
    try store.manager().purge([try #require(log?.id)])
    store.waitForMaintenance()
    #expect(log == nil)
  }

  @Test func whatIsInUseStays() throws {
    let log = try fill("log", 0..<200_000)
    try log.sealTail()
    let manager = try store.manager()
    var use: LogUse? = try manager.use(log.id)
    try discard("log")
    #expect(#expect(throws: AofError.self) { try manager.purge([log.id]) }?.code == .busy)
    _ = use.take()
    do {
      var cursor = try log.openCursor(at: 5)
      var buffer = [UInt8](repeating: 0, count: 10)
      _ = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) }
      // Somebody may be about to let go of it.
      let failure = #expect(throws: AofError.self) { try manager.purge([log.id], timeout: .milliseconds(20)) }
      #expect(failure?.code == .timedOut)
      _ = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) }
    }
    try log.append([1])
    try manager.purge([log.id])
    #expect(#expect(throws: AofError.self) { try manager.use(log.id) }?.code == .notFound)
  }

  @Test func aPurgeWaitsForReaders() throws {
    let log = try fill("log", 0..<200_000)
    try log.sealTail()
    let manager = try store.manager()
    try discard("log")
    let chunk = try log.chunks.chunk(log.chunkID(for: 0))
    let lease = chunk.beginLease()
    let reader = try SystemThread.start("reader") {
      // A purge has found the lease.
      while chunk.state.withLock({ $0.leaseWatch == nil }) { usleep(1000) }
      chunk.endLease(lease)
    }
    try manager.purge([log.id])
    reader.join()
    #expect(try manager.trash().isEmpty)
  }

  @Test func aCheckpointLetsGoOfALogThatIsToBePurged() throws {
    let log = try fill("log", 0..<200_000)
    try discard("log")
    log.state.withLock { $0.purgesWanted += 1 }
    #expect(#expect(throws: AofError.self) { try log.checkpoint() }?.code == .purged)
    log.state.withLock { $0.purgesWanted -= 1 }
    #expect(try log.checkpoint() == log.tailLSN)
  }

  @Test func eachMoveIsAnEvent() throws {
    let log = try fill("a/log", 0..<1000)
    let other = try fill("other", 0..<1000)
    let manager = try store.manager()
    try discard("a/log")
    try manager.restoreLog(log.id, as: LogPath("b"))
    let root = NodeID.root
    try manager.rename(EntryName("b"), in: root, to: EntryName("other"), in: root, replacing: .anything)
    try manager.purge([other.id])
    let told = manager.observation.events(from: 0, limit: .max).events.compactMap { observed in
      switch observed.event {
      case .discard(let log, let path): "discard \(log) \(path)"
      case .restore(let log, let path): "restore \(log) \(path)"
      case .purge(let log, let path): "purge \(log) \(path)"
      default: nil
      }
    }
    #expect(
      told == [
        "discard \(log.id) a/log", "restore \(log.id) b", "discard \(other.id) other", "purge \(other.id) other",
      ])
  }

  @Test func logsArePurgedWhenTheirTimeHasPassed() throws {
    let (first, second) = (try fill("first", 0..<1000), try fill("second", 0..<1000))
    try discard("first")
    clock.pass(days: 4)
    try discard("second")
    clock.pass(days: 4)
    let manager = try store.manager()
    #expect(manager.expiredLogs() == [first.id])
    // At opening, in the background.
    try store.close()
    _ = try store.manager()
    store.waitForMaintenance()
    #expect(try store.manager().trash().map(\.id) == [second.id])
    // Where there is no trash, as soon as nobody has it open.
    try store.close()
    store.options.trashAge = try TrashAge(parsing: "0")
    #expect(try store.manager().settings.trashAge.seconds == 0)
    store.waitForMaintenance()
    #expect(try store.manager().trash().isEmpty)
    let third = try fill("third", 0..<1000)
    var use: LogUse? = try store.manager().use(third.id)
    try discard("third")
    store.waitForMaintenance()
    #expect(try store.manager().trash().map(\.id) == [third.id])
    _ = use.take()
    store.waitForMaintenance()
    #expect(try store.manager().trash().isEmpty && store.manager().incidents.isEmpty)
    // The age is remembered.
    try store.close()
    store.options.trashAge = nil
    #expect(try store.manager().settings.trashAge.seconds == 0)
    try expectSound(store)
  }

  @Test func aLongTrashIsLookedAtAgainInTime() throws {
    store.options.trashAge = try TrashAge(seconds: 1)
    // The engine's clock; its queue goes by that of the machine, after the same second.
    store.environment = .system
    let log = try fill("log", 0..<1000)
    let purged = Monitor<LogID?>(nil)
    try store.manager().whenPurged.set { id in purged.change { $0 = id } }
    try discard("log")
    #expect(purged.wait(atMost: 60_000) { $0 } == log.id)
  }

  @Test func aRemoteThatFailsIsToldLater() throws {
    let remote = FaultyRemote(try RemoteLocation(parsing: "dir:remote", workingDirectory: store.directory.path).open(create: true))
    store.remote = remote
    let log = try fill("log", 0..<200_000)
    try log.checkpoint()
    try discard("log")
    remote.state.withLock { $0.putFault = AofError(.remoteFailure, "away") }
    let manager = try store.manager()
    #expect(#expect(throws: AofError.self) { try manager.purge([log.id]) }?.code == .remoteFailure)
    #expect(try manager.trash().isEmpty && files("chunks").isEmpty)
    // After a restart too.
    try store.close()
    remote.state.withLock { $0.putFault = nil }
    let objects = try RemoteKey("chunks/\(log.id)/0000000000000000")
    #expect(try !remote.list(objects, after: nil, limit: 10).isEmpty)
    try store.manager().checkpoint()
    #expect(try remote.list(objects, after: nil, limit: 10).isEmpty)
    let chain = try RemoteManifestStore(remote, storeID: store.manager().settings.storeID, create: false)
    #expect(try chain.state().logs.isEmpty && chain.state().problems.isEmpty)
  }

  @Test func theRemoteIsToldByItselfOfWhatWasPurged() throws {
    let log = try fill("log", 0..<1000)
    try log.checkpoint()
    try store.close()
    store.options.trashAge = try TrashAge(seconds: 0)
    store.options.checkpoints = CheckpointPolicy(interval: .milliseconds(20), maximumAge: .milliseconds(50))
    try discard("log")
    for _ in 0..<6000 where !files("remote/chunks/\(log.id)").isEmpty { usleep(10_000) }
    #expect(files("remote/chunks/\(log.id)").isEmpty)
    #expect(try store.manager().incidents.isEmpty)
  }

  @Test func purgingRacesWithUse() throws {
    let manager = try store.manager()
    for round in 0..<20 {
      let log = try fill("log", 0..<1000)
      try discard("log")
      let began = Monitor(0)
      let threads = try (0..<3).map { index in
        try SystemThread.start("user-\(index)") {
          began.change { $0 += 1 }
          do {
            while true {
              if index == 0 { try log.append([UInt8](repeating: 7, count: 100)) }
              if index == 1 { try log.append([UInt8](repeating: 7, count: 100_000)) }
              if index == 2 { _ = try log.bytes(at: 0, count: 1000) }
            }
          } catch {
            #expect((error as? AofError)?.code == .purged, "\(error)")
          }
        }
      }
      began.wait { $0 == 3 ? () : nil }
      var isPurged = false
      while !isPurged {
        do throws(AofError) {
          try manager.purge([log.id])
          isPurged = true
        } catch {
          try #require(error.code == .busy, "round \(round): \(error)")
        }
      }
      for thread in threads { thread.join() }
    }
    store.waitForMaintenance()
    #expect(files("chunks").isEmpty && manager.incidents.isEmpty, "\(manager.incidents)")
  }

  // MARK: Recovering

  @Test func theRemoteAloneBringsALogBackIntoTheTrash() throws {
    let (log, kept) = (try fill("d/log", 0..<200_000), try fill("kept", 0..<100))
    try store.manager().checkpoint()
    try discard("d/log")
    try store.manager().checkpoint()
    #expect(try state().logs[log.id]?.deletedAt == clock.now())
    let fresh = TestStore()
    fresh.environment = store.environment
    try FileManager.default.createDirectory(at: fresh.directory, withIntermediateDirectories: true)
    var options = RecoverOptions()
    options.remote = "dir:" + store.path + "/remote"
    try store.close()
    let report = try AofManager.recover(fresh.path, options)
    #expect(report.logs.map(\.id) == [kept.id] && report.notes.contains { $0.contains("in the trash") })
    let trashed = try fresh.manager().trash()
    #expect(trashed.map(\.id) == [log.id] && trashed.first?.deletedAt == clock.now())
    // The snapshot of the recovery says so as well.
    #expect(try state().logs[log.id]?.deletedAt == clock.now())
    try fresh.manager().restoreLog(log.id)
    #expect(try fresh.log("d/log").contents() == Array(bytes[..<200_000]))
    try fresh.manager().checkpoint()
    #expect(try state().logs[log.id]?.deletedAt == nil)
    try expectSound(fresh)
  }

  @Test func aDamagedManifestKeepsItsTrash() throws {
    let log = try fill("d/log", 0..<1000)
    try discard("d/log")
    _ = try fill("d/log", 0..<10)
    let damage = try store.crashed()
    // A row that no version writes makes the store one for recovery.
    let database = try DatabaseQueue(path: damage.file("manifest.sqlite").path)
    try database.write { try $0.execute(sql: "UPDATE counters SET value = 1 WHERE name = 'next_node'") }
    try database.close()
    #expect(#expect(throws: AofError.self) { try damage.manager() }?.code == .corrupt)
    _ = try AofManager.recover(damage.path)
    #expect(try damage.manager().trash().map(\.id) == [log.id])
    try damage.manager().restoreLog(log.id, as: LogPath("back"))
    #expect(try damage.log("back").contents() == Array(bytes[..<1000]))
    try expectSound(damage)
  }
}
