import AOFCore
import AOFEngine
import AOFFormat
import AOFRemote
import Foundation
import Testing

@Suite struct TrimTests {
  /// A log of three chunks of 128 KiB and a bit, and its bytes.
  private func filled(_ store: TestStore, _ count: Int = 400_000, seed: UInt64 = 21) throws -> (Aof, [UInt8]) {
    var noise = Noise(seed: seed)
    let bytes = noise.bytes(count)
    let log = try store.log()
    try log.append(bytes)
    return (log, bytes)
  }

  private func files(of log: Aof, in store: TestStore) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: store.path + String(format: "/chunks/%016lx", log.id.rawValue))
      .sorted()
  }

  @Test func trimmingFreesWholePagesBelowTheLSN() throws {
    let store = TestStore()
    let (log, bytes) = try filled(store)
    #expect(try log.truncate(TruncationRequest(.head, at: 300_001)) == 299_008)
    let marks = log.watermarks
    #expect(marks.head == 299_008 && marks.sealed >= 299_008 && marks.tail == 400_000 && marks.remote == 299_008)
    #expect(try log.contents(from: 299_008) == Array(bytes[299_008...]))
    #expect(log.generation == .first)
    // The frame that the head cuts stays; what is before it goes, with the files of whole chunks.
    #expect(log.localBytes.rawValue <= UInt64(400_000 - 262_144 + 8192))
    #expect(try files(of: log, in: store).count == 2)
    // Again, and further down: nothing happens.
    #expect(try log.truncate(TruncationRequest(.head, at: 300_000)) == 299_008)
    #expect(try log.truncate(TruncationRequest(.head, at: 5)) == 299_008)
    let error = #expect(throws: AofError.self) { try log.truncate(TruncationRequest(.head, at: 400_001)) }
    #expect(error?.code == .invalidArgument)
    try log.append([1, 2, 3])
    try store.close()
    let again = try store.log()
    #expect(again.watermarks.head == 299_008)
    #expect(try again.contents(from: 299_008) == Array(bytes[299_008...]) + [1, 2, 3])
    #expect(try again.verify().problems.isEmpty)
  }

  @Test func readingBelowTheHeadIsNoData() throws {
    let store = TestStore()
    let (log, bytes) = try filled(store)
    var cursor = try log.openCursor(at: 4095)
    try log.truncate(TruncationRequest(.head, at: 8192))
    var buffer = [UInt8](repeating: 0, count: 10)
    for lsn in [0, 4095, 8191] as [LSN] {
      let error = #expect(throws: AofError.self) { try log.bytes(at: lsn, count: 10) }
      #expect(error?.code == .belowHead && error?.errno == ENODATA)
    }
    let error = #expect(throws: AofError.self) { _ = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) } }
    #expect(error?.code == .belowHead)
    #expect(cursor.position == 4095)
    #expect(try log.bytes(at: 8192, count: 10) == Array(bytes[8192..<8202]))
  }

  @Test func theWholeLogCanBeTrimmed() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([UInt8](repeating: 9, count: 8192))
    #expect(try log.truncate(TruncationRequest(.head, at: 8192)) == 8192)
    #expect(try log.contents(from: 8192).isEmpty)
    #expect(try log.extents().isEmpty)
    #expect(try log.append([7]) == 8192)
    try log.sealTail()
    try store.close()
    #expect(try store.log().contents(from: 8192) == [7])
    #expect(try store.log().verify().problems.isEmpty)
  }

  @Test func whatWasUploadedGoesFromTheRemoteWithTheNextCheckpoint() throws {
    let store = TestStore()
    store.options.remoteGrace = .zero
    let (log, bytes) = try filled(store)
    try log.checkpoint()
    let objects = try log.objects()
    #expect(objects.count == 4)
    try log.truncate(TruncationRequest(.head, at: 300_000))
    // The remote is not touched before, and the object in which the head lies stays.
    for object in objects { #expect(FileManager.default.fileExists(atPath: store.path + "/remote/" + object.key)) }
    #expect(try log.checkpoint() == 400_000)
    #expect(
      objects.map { FileManager.default.fileExists(atPath: store.path + "/remote/" + $0.key) }
        == [false, false, true, true])
    try log.evict()
    #expect(try log.contents(from: 299_008) == Array(bytes[299_008...]))
    #expect(try log.verify(remote: true).problems.isEmpty)
    // Frames below the head do not come back with the others.
    store.waitForDownloads()
    #expect(try log.hydrate(0..<400_000).rawValue == 0)
  }

  @Test func whatWasNeverUploadedCanGo() throws {
    let store = TestStore()
    let (log, bytes) = try filled(store)
    try log.sealTail()
    try log.truncate(TruncationRequest(.head, at: 200_704))
    #expect(try log.checkpoint() == 400_000)
    #expect(try log.objects().first?.range.lowerBound == 131_072)
    try log.evict()
    #expect(try log.contents(from: 200_704) == Array(bytes[200_704...]))
    #expect(try log.verify(remote: true).problems.isEmpty)
  }

  @Test func itWorksWithTheRemoteAway() throws {
    let store = TestStore()
    store.options.remoteGrace = .zero
    let directory = store.directory.appendingPathComponent("remote")
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    let remote = FaultyRemote(try DirectoryStore(path: directory.path, create: true))
    store.remote = remote
    let (log, bytes) = try filled(store)
    try log.checkpoint()
    let objects = try log.objects()
    remote.state.withLock { $0.putFault = AofError(.remoteFailure, "away") }
    try log.truncate(TruncationRequest(.head, at: 262_144))
    #expect(try log.contents(from: 262_144) == Array(bytes[262_144...]))
    #expect(throws: AofError.self) { try log.checkpoint() }
    for object in objects { #expect(FileManager.default.fileExists(atPath: directory.path + "/" + object.key)) }
    remote.state.withLock { $0.putFault = nil }
    // What is left to do outlives the process.
    let crashed = try store.crashed()
    crashed.remote = remote
    try store.close()
    try crashed.log().checkpoint()
    #expect(
      objects.map { FileManager.default.fileExists(atPath: directory.path + "/" + $0.key) }
        == [false, false, true, true])
  }

  @Test func leasesAreWaitedFor() throws {
    let store = TestStore()
    let (log, bytes) = try filled(store)
    try log.sealTail()
    let cursor = try HeldCursor(log, at: 0)
    // It holds the first chunk: in time it is not let go of, and nothing changes.
    let error = #expect(throws: AofError.self) {
      try log.truncate(TruncationRequest(.head, at: 4096, timeout: .milliseconds(20)))
    }
    #expect(error?.code == .timedOut && error?.errno == ETIMEDOUT)
    #expect(log.watermarks.head == 0)
    #expect(try log.contents() == bytes)
    // Somebody else's chunk is no hindrance: the second one.
    let other = TruncationRequest(.tail, at: 399_999, timeout: .zero)
    #expect(try log.truncate(other) == 399_999)
    let request = TruncationRequest(.head, at: 4096)
    let result = Outcome(of: request, on: log)
    try result.waitUntilWaiting(request)
    // Reads see what goes until it is gone, and readers that come later do not keep it.
    #expect(try log.bytes(at: 0, count: 10) == Array(bytes[0..<10]))
    let late = try HeldCursor(log, at: 0)
    let busy = #expect(throws: AofError.self) { try log.truncate(TruncationRequest(.head, at: 4096)) }
    #expect(busy?.code == .busy)
    cursor.letGo()
    #expect(try result.get() == 4096)
    let below = #expect(throws: AofError.self) { _ = try log.bytes(at: 0, count: 10) }
    #expect(below?.code == .belowHead)
    late.letGo()
  }

  @Test(arguments: [TruncationRequest.Direction.head, .tail])
  func aReaderThatIsNotWaitedForNeverGetsFreedBytes(_ direction: TruncationRequest.Direction) throws {
    let (store, disk) = (TestStore(), FaultyDisk())
    store.environment = disk.environment
    let (log, bytes) = try filled(store)
    try log.sealTail()
    let cursor = try HeldCursor(log, at: 0)
    let request = TruncationRequest(direction, at: direction == .head ? 131_072 : 4096)
    let result = Outcome(of: request, on: log)
    try result.waitUntilWaiting(request)
    let isFirst = Once()
    // All of the truncation happens while a later reader is about to read the chunk file.
    disk.before { operation in
      guard operation.kind == .read, operation.path.hasSuffix(".chunk"), isFirst.first() else { return }
      cursor.letGo()
      _ = try? result.get()
    }
    let error = #expect(throws: AofError.self) { try log.bytes(at: 8192, count: 100) }
    #expect(error?.code == (direction == .head ? .belowHead : .cutOff))
    #expect(isFirst.isDone)
    disk.before(nil)
    let kept = direction == .head ? 131_072..<400_000 : 0..<4096
    #expect(try log.contents(from: LSN(rawValue: UInt64(kept.lowerBound))) == Array(bytes[kept]))
    #expect(try store.manager().incidents.isEmpty)
  }

  @Test func aCancelledRequestChangesNothing() throws {
    let store = TestStore()
    let (log, bytes) = try filled(store)
    try log.sealTail()
    let cursor = try HeldCursor(log, at: 0)
    defer { cursor.letGo() }
    for direction in [TruncationRequest.Direction.head, .tail] {
      let request = TruncationRequest(direction, at: 8192)
      let result = Outcome(of: request, on: log)
      try result.waitUntilWaiting(request)
      request.cancel()
      #expect(#expect(throws: AofError.self) { try result.get() }?.code == .interrupted)
    }
    #expect(try log.contents() == bytes)
    let never = TruncationRequest(.head, at: 300_000)
    never.cancel()
    #expect(#expect(throws: AofError.self) { try log.truncate(never) }?.code == .interrupted)
    #expect(log.watermarks.head == 0)
  }

  @Test func leftoversAreFreedWhenTheStoreIsOpenedAgain() throws {
    let (store, disk) = (TestStore(), FaultyDisk())
    store.environment = disk.environment
    let (log, bytes) = try filled(store)
    try log.sealTail()
    disk.fail(.remove, ".chunk", errno: EIO)
    #expect(try log.truncate(TruncationRequest(.head, at: 300_000)) == 299_008)
    #expect(try store.manager().incidents.contains { $0.message.contains("not free yet") })
    #expect(try files(of: log, in: store).filter { $0.hasSuffix(".chunk") }.count == 4)
    try store.close()
    let again = try store.log()
    store.waitForMaintenance()
    #expect(try files(of: again, in: store).filter { $0.hasSuffix(".chunk") }.count == 2)
    #expect(try again.contents(from: 299_008) == Array(bytes[299_008...]))
  }

  /// A large append writes its bytes before it says so, and may be killed in between.
  @Test func bytesPastTheTailAreFreedWhenTheStoreIsOpenedAgain() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([UInt8](repeating: 1, count: 10_000))
    try log.sync()
    try store.close()
    let directory = store.path + "/chunks/" + FixedWidthNumber.hex(log.id.rawValue)
    for (number, count) in [(UInt64(0), 200_000), (1, 100_000)] {
      let path = directory + "/" + FixedWidthNumber.hex(number) + ".chunk"
      let old = FileManager.default.contents(atPath: path) ?? Data()
      try (old + Data(repeating: 7, count: count)).write(to: URL(fileURLWithPath: path))
    }
    let again = try store.log()
    store.waitForMaintenance()
    #expect(again.localBytes.rawValue <= 12_288)
    #expect(try again.contents() == [UInt8](repeating: 1, count: 10_000))
  }
}
