import AOFCore
import AOFManifest
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// Appends whose payload goes straight to the chunk files.
@Suite struct LargeAppendTests {
  private static let large = Limits.largestInlineAppend + 1

  private func faulty() -> (TestStore, FaultyDisk) {
    let (store, disk) = (TestStore(inMemory: true), FaultyDisk())
    store.environment = disk.environment
    return (store, disk)
  }

  /// What a killed daemon leaves of the log.
  private func contentsAfterCrash(_ store: TestStore) throws -> [UInt8] {
    let crashed = try store.crashed()
    defer { withExtendedLifetime(crashed) {} }
    return try crashed.log().contents()
  }

  @Test func thePayloadIsWrittenOnce() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    let written = Written()
    disk.before { operation throws(AofError) in
      if operation.kind == .write { written.count(operation.path) }
    }
    let bytes = [UInt8](repeating: 7, count: 1 << 20)
    try log.append(bytes)
    #expect(written.writes(to: ".wal") == 1)
    #expect(written.writes(to: ".chunk") == 8, "a write for each chunk of 128 KiB")
    #expect(try store.segments().allSatisfy { try Data(contentsOf: $0).range(of: Data(bytes[..<64])) == nil }, "none of it is in the WAL")
    #expect(try log.contents() == bytes)
  }

  @Test("Small and large appends follow each other", arguments: [0, 1, 5000, 131_071, 131_072, 131_073])
  func mixed(_ offset: Int) throws {
    let store = TestStore(inMemory: true)
    var noise = Noise(seed: UInt64(offset + 1))
    var expected: [UInt8] = []
    for size in [offset, Self.large, 1, 300_000, 131_072, 10, Self.large, 64 << 10, 1 << 20] where size > 0 {
      let bytes = noise.bytes(size)
      #expect(try store.log().append(bytes) == LSN(rawValue: UInt64(expected.count)))
      expected += bytes
    }
    #expect(try store.log().contents() == expected)
    #expect(try contentsAfterCrash(store) == expected)
    try store.log().sealTail()
    try store.log().checkpoint()
    #expect(try store.log().verify(remote: true).problems == [])
    try store.log().evict()
    #expect(try store.log().contents() == expected)
  }

  @Test func aLargeBatchIsRecordsOfItsOwn() throws {
    let store = TestStore(inMemory: true)
    var noise = Noise(seed: 3)
    let records = (0..<50).map { noise.bytes($0 * 900) }
    let lsns = try store.log().appendBatch(records)
    var end = 0
    for (lsn, record) in zip(lsns, records) {
      #expect(lsn == LSN(rawValue: UInt64(end)))
      end += record.count
    }
    #expect(try store.log().contents() == records.flatMap { $0 })
    #expect(try contentsAfterCrash(store) == records.flatMap { $0 })
  }

  @Test func aLongTailIsAppliedAlthoughFewFramesNameIt() throws {
    let store = TestStore(chunkSize: try ChunkSize(.gibibytes(1)), inMemory: true)
    let log = try store.log()
    let block = [UInt8](repeating: 5, count: 1 << 20)
    for _ in 0..<(Limits.longestUnappliedTail >> 20) { try log.append(block) }
    store.waitForMaintenance()
    #expect(log.watermarks.sealed == 0)
    #expect(log.appliedLSN == LSN(rawValue: UInt64(Limits.longestUnappliedTail)))
    try log.append(block)
    store.waitForMaintenance()
    #expect(log.appliedLSN < log.tailLSN, "what comes next is not much")
    let crashed = try store.crashed()
    #expect(try crashed.log().tailLSN == log.tailLSN)
    #expect(try crashed.log().contents().allSatisfy { $0 == 5 })
  }

  @Test func theDurableMarkWaitsForTheChunkFiles() throws {
    let (store, disk) = faulty()
    let (log, other) = (try store.log(), try store.log("other"))
    let bytes = [UInt8](repeating: 1, count: Self.large)
    try log.append(bytes)
    try other.append([1])
    try other.sync()
    #expect(log.durableLSN == 0, "another log's sync is none of the payload")
    try log.sync()
    #expect(log.durableLSN == LSN(rawValue: UInt64(Self.large)))
    let copy = TestStore(inMemory: true)
    try FileManager.default.createDirectory(at: copy.directory, withIntermediateDirectories: true)
    try disk.powerCut(of: store.path, to: copy.path, keeping: .none)
    #expect(try copy.log().contents() == bytes)
  }

  @Test func aSyncWaitsForAnotherThatIsUnderWay() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    try log.append([UInt8](repeating: 9, count: Self.large))
    let (first, second) = (Once(), Once())
    let (isSyncing, goOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    disk.before { operation throws(AofError) in
      guard operation.kind == .sync, operation.path.hasSuffix(".chunk"), first.first() else { return }
      isSyncing.signal()
      goOn.wait()
    }
    let results = Results()
    results.run { try log.sync() }
    isSyncing.wait()
    results.run {
      try log.sync()
      _ = second.first()
    }
    // Whatever the second one does meanwhile, it does not say that the payload is durable.
    for _ in 0..<50 {
      usleep(1000)
      #expect(!second.isDone && log.durableLSN == 0)
    }
    goOn.signal()
    #expect(results.wait() == 0)
    #expect(log.durableLSN == LSN(rawValue: UInt64(Self.large)))
  }

  @Test func aTornPayloadCutsItsLogAlone() throws {
    let (store, disk) = faulty()
    let (log, other) = (try store.log(), try store.log("other"))
    try log.append([1, 2, 3])
    try log.sync()
    try log.append([UInt8](repeating: 9, count: Self.large))
    try log.append([4])
    try other.append([5])
    // The WAL is synced with the frames, the payload is not.
    try other.sync()
    let copy = TestStore(inMemory: true)
    try FileManager.default.createDirectory(at: copy.directory, withIntermediateDirectories: true)
    try disk.powerCut(of: store.path, to: copy.path, keeping: .none)
    #expect(try copy.log("other").contents() == [5])
    #expect(try copy.log().contents() == [1, 2, 3], "what follows a torn append goes with it")
    #expect(try copy.log().failure == nil)
    #expect(try copy.log().generation == Generation(rawValue: 1))
    // What was cut never comes back, also not once appends make it contiguous again.
    try copy.log().append([UInt8](repeating: 8, count: Self.large))
    try copy.log().sync()
    #expect(try contentsAfterCrash(copy) == [1, 2, 3] + [UInt8](repeating: 8, count: Self.large))
  }

  @Test func aPayloadThatWasSyncedAndIsDamagedClosesItsLog() throws {
    let store = TestStore(inMemory: true)
    let log = try store.log()
    try log.append([1, 2, 3])
    try log.append([UInt8](repeating: 9, count: Self.large))
    try log.sync()
    try log.append([4])
    let copy = try store.crashed()
    let chunk = try #require(
      FileManager.default.enumerator(atPath: copy.path + "/chunks")?.compactMap { $0 as? String }
        .first { $0.hasSuffix(".chunk") })
    try copy.file("chunks/" + chunk).overwrite(at: 5000, with: [0])
    #expect(try copy.log().contents() == [1, 2, 3])
    #expect(try copy.log().failure?.message.contains("large append") == true)
    #expect(throws: AofError.self) { try copy.log().append([5]) }
    #expect(try copy.manager().incidents.contains { $0.message.contains("bytes from LSN 3 on are lost") })
  }

  @Test func aPayloadThatCannotBeWrittenLeavesNothing() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    try log.append([1])
    disk.fail(.write, ".chunk", errno: ENOSPC, skipping: 1, writing: 5000)
    let bytes = [UInt8](repeating: 9, count: 1 << 20)
    #expect(#expect(throws: AofError.self) { try log.append(bytes) }?.code == .noSpace)
    try log.append([2])
    try log.append(bytes)
    #expect(try log.contents() == [1, 2] + bytes)
    #expect(try contentsAfterCrash(store) == [1, 2] + bytes)
  }

  @Test func aFailedSyncOfAPayloadStays() throws {
    let (store, disk) = faulty()
    let (log, other) = (try store.log(), try store.log("other"))
    try log.append([UInt8](repeating: 9, count: Self.large))
    disk.fail(.sync, ".chunk", errno: EIO)
    for _ in 0..<2 { #expect(#expect(throws: AofError.self) { try log.sync() }?.code == .localFailure) }
    #expect(throws: AofError.self) { try log.append([1]) }
    #expect(throws: AofError.self) { try log.sealTail() }
    try other.append([1])
    try other.sync()
    #expect(try log.contents().count == Self.large, "reads go on")
  }

  @Test func manyWritersOfAllSizesInterleaveWhole() throws {
    let store = TestStore(inMemory: true)
    let log = try store.log()
    let sizes = [16, 700, Self.large, 9000, 200_000]
    let results = Results()
    for writer in 0..<sizes.count {
      results.run {
        for count in 0..<40 {
          var record = [UInt8](repeating: UInt8(writer), count: sizes[(writer + count) % sizes.count])
          withUnsafeBytes(of: UInt32(record.count).littleEndian) { record.replaceSubrange(0..<4, with: $0) }
          record[4] = UInt8(writer)
          record[5] = UInt8(count)
          try log.append(record)
          if count % 7 == 0 { try log.sync() }
        }
      }
    }
    #expect(results.wait() == 0)
    for contents in [try log.contents(), try contentsAfterCrash(store)] {
      var position = 0
      var next = [UInt8](repeating: 0, count: sizes.count)
      while position < contents.count {
        let length = contents[position..<(position + 4)].reversed().reduce(0) { $0 << 8 | Int($1) }
        let (writer, count) = (contents[position + 4], contents[position + 5])
        #expect(count == next[Int(writer)], "each writer's appends are in their order")
        next[Int(writer)] += 1
        #expect(contents[(position + 6)..<(position + length)].allSatisfy { $0 == writer })
        position += length
      }
      #expect(next.allSatisfy { $0 == 40 })
    }
  }
}

/// Counts writes by the path that they went to.
private final class Written: Sendable {
  private let paths = Lock<[String]>([])
  func count(_ path: String) { paths.withLock { $0.append(path) } }
  func writes(to part: String) -> Int { paths.withLock { $0.count { $0.contains(part) } } }
}
