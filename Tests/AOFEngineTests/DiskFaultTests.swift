import AOFCore
import AOFManifest
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// A disk that fails, one place after the other.
@Suite struct DiskFaultTests {
  private func faulty() -> (TestStore, FaultyDisk) {
    let store = TestStore()
    let disk = FaultyDisk()
    store.environment = disk.environment
    return (store, disk)
  }

  @Test(arguments: [0, 10, 100]) func aWriteWithoutSpaceLeavesNothing(writing: Int) throws {
    let (store, disk) = faulty()
    let log = try store.log()
    try log.append([1, 2])
    disk.fail(.write, ".wal", errno: ENOSPC, writing: writing)
    #expect(#expect(throws: AofError.self) { try log.append([3, 3, 3]) }?.code == .noSpace)
    #expect(log.tailLSN == 2)
    try log.append([4])
    try log.sync()
    #expect(try log.contents() == [1, 2, 4])
    #expect(try store.crashed().log().contents() == [1, 2, 4])
  }

  /// The kernel may have brought the frame to the disk before it is erased.
  @Test func whatARefusedAppendLeftIsErasedDurably() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    try log.append([1, 2])
    disk.fail(.write, ".wal", errno: EIO, writing: 128)
    let order = Lock<[FaultyDisk.Kind]>([])
    disk.before { operation throws(AofError) in
      if operation.path.hasSuffix(".wal") { order.withLock { $0.append(operation.kind) } }
    }
    #expect(throws: AofError.self) { try log.append([3]) }
    #expect(order.withLock { $0 } == [.write, .write, .sync])
  }

  @Test func aFullDiskForTheNextSegmentFailsOneAppendAlone() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    let block = [UInt8](repeating: 7, count: Limits.largestInlineAppend)
    // As many as a segment takes, and then one that needs the next.
    let room = (Limits.walSegmentSize - 4096) / (block.count + 64)
    for _ in 0..<room { try log.append(block) }
    store.waitForMaintenance()
    disk.fail(.allocate, ".spare", errno: ENOSPC)
    #expect(#expect(throws: AofError.self) { try log.append(block) }?.code == .noSpace)
    try log.append([1])
    try log.append(block)
    #expect(try store.crashed().log().tailLSN == LSN(rawValue: UInt64((room + 1) * block.count + 1)))
  }

  @Test func aFailedFlushOfTheWalStays() throws {
    let (store, disk) = faulty()
    let (one, two, idle) = (try store.log("one"), try store.log("two"), try store.log("idle"))
    try idle.append([9])
    try idle.sync()
    try one.append([1])
    try two.append([2])
    disk.fail(.sync, ".wal", errno: EIO)
    #expect(#expect(throws: AofError.self) { try one.sync() }?.code == .localFailure)
    for log in [one, two, idle] {
      // A log with nothing new gets the error too: nobody is to take the WAL for sound.
      #expect(#expect(throws: AofError.self) { try log.sync() }?.code == .localFailure)
      #expect(#expect(throws: AofError.self) { try log.append([3]) }?.code == .localFailure)
      #expect(throws: AofError.self) { try log.sealTail() }
      #expect(throws: AofError.self) { try log.checkpoint() }
    }
    #expect(try one.contents() == [1])
    #expect(try two.contents() == [2])
    #expect(one.durableLSN == 0)
    #expect(throws: AofError.self) { try store.close() }
    // The kernel still has what was written; the next opening writes it anew.
    #expect(try store.log("one").contents() == [1])
    #expect(try store.log("idle").contents() == [9])
    try store.log("two").append([3])
    try store.log("two").sync()
    #expect(try store.log("two").contents() == [2, 3])
  }

  @Test func aFailedFlushOfAChunkStays() throws {
    let (store, disk) = faulty()
    let (hit, spared) = (try store.log("hit"), try store.log("spared"))
    try hit.append([1])
    try spared.append([2])
    disk.fail(.sync, ".chunk", errno: EIO)
    #expect(#expect(throws: AofError.self) { try hit.sealTail() }?.code == .localFailure)
    #expect(#expect(throws: AofError.self) { try hit.sealTail() }?.code == .localFailure)
    #expect(#expect(throws: AofError.self) { try hit.sync() }?.code == .localFailure)
    #expect(#expect(throws: AofError.self) { try hit.append([3]) }?.code == .localFailure)
    #expect(try hit.contents() == [1])
    try spared.append([3])
    #expect(try spared.sealTail() == 0..<2)
    #expect(throws: AofError.self) { try store.close() }
    try store.log("hit").sealTail()
    #expect(try store.log("hit").contents() == [1])
    #expect(try store.log("hit").verify().problems.isEmpty)
  }

  /// What an erase could not cover must not come back behind a shorter append of the same batch.
  @Test func aWalThatCouldNotBeErasedTakesNothingMore() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    let started = DispatchSemaphore(value: 0)
    let queued = DispatchSemaphore(value: 0)
    let once = Once()
    disk.before { operation throws(AofError) in
      guard operation.kind == .write, once.first() else { return }
      started.signal()
      queued.wait()
    }
    let results = Results()
    results.run { try log.append([0]) }
    started.wait()
    // Frames of the same size, so that those of one call could continue those of the other.
    results.run { try log.appendBatch([[UInt8]](repeating: [1], count: 256)) }
    usleep(100_000)
    results.run { try log.appendBatch([[UInt8]](repeating: [2], count: 100)) }
    usleep(100_000)
    disk.fail(.write, ".wal", errno: EIO, skipping: 1, writing: 128 * 200)
    disk.fail(.write, ".wal", errno: EIO, skipping: 1)
    queued.signal()
    #expect(results.wait() == 2)
    #expect(try log.contents() == [0])
    // What could neither be written whole nor erased is the first call's alone.
    #expect(try store.crashed().log().contents() == [0] + [UInt8](repeating: 1, count: 200))
  }

  /// A chunk file that is written while it is synced must be synced again before its bytes count as applied.
  @Test func bytesWrittenDuringASyncAreSyncedByTheNext() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    try log.append([1])
    let (started, synced) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let large = [UInt8](repeating: 2, count: 100_000)
    let (first, second) = (Once(), Once())
    let results = Results()
    disk.before { operation throws(AofError) in
      // A large append moves the buffer to the chunk file, then goes there itself, and is held up right before.
      guard operation.path.hasSuffix(".chunk"), operation.kind == .write, !first.first(), second.first() else { return }
      started.signal()
      synced.wait()
    }
    results.run { try log.append(large) }
    started.wait()
    try log.sealTail()
    synced.signal()
    #expect(results.wait() == 0)
    disk.before(nil)
    try log.sealTail()
    try store.close()
    try checkPowerCut(store, disk, [1] + large)
  }

  /// A name that appears while its directory is synced must be synced again.
  @Test func aFileCreatedDuringASyncOfItsDirectoryIsNamedByTheNext() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    try log.append([1])
    let large = [UInt8](repeating: 2, count: 200_000)
    let once = Once()
    let directory = String(format: "%016lx", log.id.rawValue)
    disk.before { operation throws(AofError) in
      // The log's directory, not the one above it that gets a new name in it.
      guard operation.kind == .sync, operation.path.contains(directory), once.first() else { return }
      disk.after(.syncDirectory, directory) { _ = try? log.append(large) }
    }
    try log.sealTail()
    disk.before(nil)
    try log.sealTail()
    try store.close()
    try checkPowerCut(store, disk, [1] + large)
  }

  @Test func aDirectoryWhoseSyncFailedIsSyncedBeforeItIsUsed() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    // Of the name that the directory of all logs' files gets.
    disk.fail(.syncDirectory, store.path, errno: EIO)
    let large = [UInt8](repeating: 2, count: 100_000)
    #expect(throws: AofError.self) { try log.append(large) }
    try log.append(large)
    try log.sealTail()
    try store.close()
    try checkPowerCut(store, disk, large)
  }

  @Test func aLogWhoseDirectoryCannotBeSyncedTakesNoMore() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    try log.append([1])
    disk.fail(.syncDirectory, "/chunks", errno: EIO)
    #expect(throws: AofError.self) { try log.sealTail() }
    #expect(throws: AofError.self) { try log.append([2]) }
    #expect(try log.contents() == [1])
    try? store.close()
    try checkPowerCut(store, disk, [1])
  }

  /// Closing and recovering many logs take one sync, not one or more for each.
  @Test(arguments: [false, true]) func manyLogsAreSyncedTogether(isKilled: Bool) throws {
    let (store, disk) = faulty()
    let names = (0..<40).map { "log-\($0)" }
    for name in names {
      try store.log(name).append(Array(name.utf8))
      try store.log(name).sync()
    }
    let syncs = Lock(0)
    disk.before { operation throws(AofError) in
      if operation.kind == .sync || operation.kind == .syncDirectory { syncs.withLock { $0 += 1 } }
    }
    if isKilled {
      store.abandon()
      _ = try store.manager()
    } else {
      try store.close()
    }
    disk.before(nil)
    #expect(syncs.withLock { $0 } < names.count)
    if isKilled { try store.close() }
    let after = try cut(store, disk)
    for name in names { #expect(try after.log(name).contents() == Array(name.utf8)) }
  }

  @Test func aSyncOfManyLogsThatFailsIsNoSuccess() throws {
    let (store, disk) = faulty()
    let names = (0..<40).map { "log-\($0)" }
    for name in names {
      try store.log(name).append(Array(name.utf8))
      try store.log(name).sync()
    }
    disk.fail(.sync, "/chunks", errno: EIO)
    #expect(throws: AofError.self) { try store.close() }
    let after = try cut(store, disk)
    // The WAL has them still.
    for name in names { #expect(try after.log(name).contents() == Array(name.utf8)) }
  }

  /// Whoever finds a sync under way must not take its end for granted.
  @Test func aSyncWaitsForTheOneThatIsUnderWay() throws {
    let (store, disk) = faulty()
    _ = try store.manager()
    let file = ChunkFile(try disk.open(store.path + "/some.chunk", .createNew))
    try [UInt8](repeating: 1, count: 10).withTypedBytes { bytes throws(AofError) in
      try file.write(bytes, at: 0, isCopy: false)
    }
    let (started, goOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let once = Once()
    disk.before { operation throws(AofError) in
      guard operation.kind == .sync, once.first() else { return }
      started.signal()
      goOn.wait()
    }
    disk.fail(.sync, "some.chunk", errno: EIO)
    let results = Results()
    results.run { try file.sync() }
    started.wait()
    #expect(file.mustStayOpen)
    results.run { try file.sync() }
    usleep(50_000)
    goOn.signal()
    #expect(results.wait() == 2)
    #expect(file.mustStayOpen)
  }

  private func checkPowerCut(_ store: TestStore, _ disk: FaultyDisk, _ expected: [UInt8]) throws {
    let copy = try cut(store, disk)
    #expect(try copy.log().contents() == expected)
    #expect(try copy.log().verify().problems.isEmpty)
  }

  /// The store as a power cut leaves it now.
  private func cut(_ store: TestStore, _ disk: FaultyDisk) throws -> TestStore {
    let copy = TestStore()
    try FileManager.default.createDirectory(at: copy.directory, withIntermediateDirectories: true)
    try disk.powerCut(of: store.path, to: copy.path, keeping: .none)
    return copy
  }

  @Test func aWalDirectoryThatCouldNotBeStartedIsStartedLater() throws {
    let (store, disk) = faulty()
    let manager = try store.manager()
    let config = AofConfig(name: "log", walDirectory: store.directory.path + "/fast")
    disk.fail(.allocate, "/fast/", errno: ENOSPC)
    #expect(#expect(throws: AofError.self) { try manager.createLog(config) }?.code == .noSpace)
    try manager.createLog(config).append([1])
    #expect(try manager.openLog("log").contents() == [1])
  }

  /// One log whose disk failed keeps its own segments, and no older ones of others.
  @Test func aFailedLogDoesNotKeepTheSegmentsOfOthers() throws {
    let (store, disk) = faulty()
    let good = try store.log("good")
    try good.append([1])
    try good.setTailSegment(good.prepareTailSegment(startingAt: 1))
    let bad = try (0..<8).map { try store.log("bad\($0)") }
    for log in bad {
      try log.append([2])
      disk.fail(.sync, String(format: "%016lx/", log.id.rawValue), errno: EIO)
    }
    try good.setTailSegment(good.prepareTailSegment(startingAt: 1))
    let first = try #require(try store.segments().first)
    _ = try? store.manager().checkpoint([])
    store.waitForMaintenance()
    #expect(!FileManager.default.fileExists(atPath: first.path))
    #expect(try store.segments().count == 2)
  }
}

/// True for the first that asks.
final class Once: Sendable {
  private let state = Monitor(false)
  func first() -> Bool {
    state.withLock { done in
      defer { done = true }
      return !done
    }
  }
  var isDone: Bool { state.withLock { $0 } }
}

/// Calls on threads of their own.
final class Results: Sendable {
  private let state = Monitor((running: 0, failures: [String]()))

  func run(_ body: @escaping @Sendable () throws -> Void) {
    state.change { $0.running += 1 }
    Thread {
      var failures: [String] = []
      do { try body() } catch { failures = ["\(error)"] }
      self.state.change { $0 = ($0.running - 1, $0.failures + failures) }
    }.start()
  }

  /// Waits for all of them, and returns how many failed.
  func wait() -> Int { state.wait { $0.running == 0 ? $0.failures.count : nil } }

  var messages: [String] { state.withLock { $0.failures } }
}
