import AOFCore
import AOFSystem
@testable import AOFEngine
import AOFManifest
import AOFSystem
import Foundation
import Testing

@Suite struct RecoveryTests {
  private static let headerSize = 4096

  @Test func aKilledStoreHasEverythingThatWasAppended() throws {
    let store = TestStore()
    let (one, two) = (try store.log("one"), try store.log("dir/two"))
    var noise = Noise(seed: 7)
    var models = [[UInt8]](repeating: [], count: 2)
    for round in 0..<200 {
      let bytes = noise.bytes(round % 20 == 0 ? 90_000 : 1 + noise.below(3000))
      try (round % 3 == 0 ? two : one).append(bytes)
      models[round % 3 == 0 ? 1 : 0] += bytes
      if round == 100 { try one.sealTail() }
    }
    let copy = try store.crashed()
    #expect(try copy.log("one").contents() == models[0])
    #expect(try copy.log("dir/two").contents() == models[1])
    #expect(try copy.manager().incidents.isEmpty)
    // And again, now with what the first recovery left.
    try copy.log("one").append([1])
    let again = try copy.crashed()
    #expect(try again.log("one").contents() == models[0] + [1])
    #expect(try again.log("one").verify().problems.isEmpty)
  }

  @Test func recoveryRepeatsItself() throws {
    let store = TestStore()
    let log = try store.log()
    var model: [UInt8] = []
    for round in 0..<10 {
      try log.append([UInt8](repeating: UInt8(round), count: 5000))
      model += [UInt8](repeating: UInt8(round), count: 5000)
    }
    var copy = try store.crashed()
    for _ in 0..<3 {
      #expect(try copy.log().contents() == model)
      copy = try copy.crashed()
    }
    try copy.log().append([9])
    #expect(try copy.log().contents() == model + [9])
  }

  /// Applying past a chunk boundary and then sealing only up to it must not forget what was applied: its WAL is gone.
  @Test func aSealBelowWhatWasAppliedForgetsNothing() throws {
    let store = TestStore()
    let log = try store.log()
    var noise = Noise(seed: 8)
    let bytes = noise.bytes(200_000)
    try log.append(Array(bytes[..<100_000]))
    var copy = try store.crashed()
    try copy.log().append(Array(bytes[100_000..<150_000]))
    copy = try copy.crashed()
    try copy.log().append(Array(bytes[150_000...]))
    copy = try copy.crashed()
    #expect(try copy.log().contents() == bytes)
    // An append past the boundary seals in the background; the WAL that held the first 200,000 bytes is gone.
    try copy.log().append([1])
    copy = try copy.crashed()
    #expect(try copy.log().contents() == bytes + [1])
    #expect(try copy.log().verify().problems.isEmpty)
  }

  @Test func aTornEndIsCutAndReported() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([UInt8](repeating: 1, count: 100))
    try log.sync()
    try log.append([UInt8](repeating: 2, count: 100))
    try log.append([UInt8](repeating: 3, count: 100))
    let copy = try store.crashed()
    // Frames of 64 + 128 bytes: the second one's payload is torn, the third is whole and void behind it.
    try #require(try copy.segments().last).overwrite(at: Self.headerSize + 192 + 100, with: [9])
    let recovered = try copy.log()
    #expect(try recovered.contents() == [UInt8](repeating: 1, count: 100))
    #expect(recovered.generation.rawValue == 1)
    #expect(try copy.manager().incidents.contains { $0.message.contains("torn") })
    // What was cut never comes back, also when appends make its LSN the next one again.
    try recovered.append([UInt8](repeating: 4, count: 100))
    let again = try copy.crashed()
    #expect(try again.log().contents() == [UInt8](repeating: 1, count: 100) + [UInt8](repeating: 4, count: 100))
  }

  @Test func damageBelowTheDurableMarkIsCorruption() throws {
    let store = TestStore()
    let (hit, spared) = (try store.log("hit"), try store.log("spared"))
    try hit.append([UInt8](repeating: 1, count: 100))
    try hit.append([UInt8](repeating: 2, count: 100))
    try spared.append([UInt8](repeating: 5, count: 100))
    try hit.sync()
    try hit.append([UInt8](repeating: 3, count: 100))
    try spared.append([UInt8](repeating: 6, count: 100))
    let copy = try store.crashed()
    try #require(try copy.segments().last).overwrite(at: Self.headerSize + 192 + 100, with: [9])
    let recovered = try copy.log("hit")
    #expect(try recovered.contents() == [UInt8](repeating: 1, count: 100))
    #expect(#expect(throws: AofError.self) { try recovered.append([1]) }?.code == .readOnly)
    let other = try copy.log("spared")
    #expect(try other.contents() == [UInt8](repeating: 5, count: 100) + [UInt8](repeating: 6, count: 100))
    try other.append([7])
    #expect(try FileManager.default.contentsOfDirectory(atPath: copy.path + "/evidence").count >= 1)
    #expect(try copy.manager().incidents.contains { $0.message.contains("damaged") })
    // The verdict stays.
    try copy.close()
    #expect(#expect(throws: AofError.self) { try copy.log("hit").append([1]) }?.code == .readOnly)
    #expect(try copy.log("spared").contents().count == 201)
  }

  /// The one who was to flush next is on its way when the disk of the WAL fails.
  @Test func whoWaitsForASyncIsToldThoughNobodyFlushes() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([1])
    let told = Lock<AofError?>(nil)
    log.wal.state.withLock { state in
      state.syncWaiters.append(SyncWaiter(position: state.written, whom: .callback { failure in told.withLock { $0 = failure } }))
    }
    log.wal.fail(AofError(.localFailure, "the disk went away"))
    #expect(told.withLock { $0 }?.code == .localFailure)
    store.abandon()
  }

  /// What was applied tells of an earlier append than what the WAL brings back.
  @Test func theTimeOfTheLastAppendComesBack() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([1])
    try log.sealTail()
    usleep(20_000)
    try log.append([2])
    try log.sync()
    let time = log.modificationTime
    let copy = try store.crashed()
    let again = try copy.log()
    #expect(try copy.manager().nameSpace.node(again.id)?.attributes.modificationTime == time)
    #expect(again.modificationTime == time)
    try again.checkpoint()
    try copy.close()
    let id = try copy.log().id
    #expect(try copy.manager().nameSpace.node(id)?.attributes.modificationTime == time)
  }

  /// A disk that loses one page loses others: what is kept and read for that must not grow with their number.
  @Test func oneSegmentIsKeptOnceHoweverManyPlacesAreDamaged() throws {
    let store = TestStore()
    let disk = FaultyDisk()
    store.environment = Environment(disk: disk, clock: SystemClock(), random: { .random(in: .min ... .max) }, walSegmentSize: 128 << 10)
    let (hit, spared) = (try store.log("hit"), try store.log("spared"))
    for _ in 0..<40 {
      try hit.append([UInt8](repeating: 1, count: 100))
      try spared.append([5])
    }
    // No frame of the first segment says what was synced, those of the next do.
    try hit.sync()
    try spared.sync()
    for _ in 0..<150 { try spared.append([UInt8](repeating: 5, count: 1000)) }
    let copy = try store.crashed()
    let segments = try copy.segments()
    #expect(segments.count > 1)
    // The frames take 192 and 128 bytes in turn.
    for place in 0..<30 { try segments[0].overwrite(at: Self.headerSize + 320 * place + 100, with: [9]) }
    let reads = Lock(0)
    disk.before { operation throws(AofError) in
      if operation.kind == .read, operation.path.hasSuffix(".wal") { reads.withLock { $0 += 1 } }
    }
    copy.environment = store.environment
    #expect(try copy.log("spared").contents().count == 40 + 150_000)
    disk.before(nil)
    #expect(try copy.log("hit").contents().isEmpty)
    let evidence = try FileManager.default.contentsOfDirectory(atPath: copy.path + "/evidence")
    #expect(evidence.count == 1)
    // The header, to replay it, to judge the others by it.
    #expect(reads.withLock { $0 } <= 3 * segments.count + 1)
    #expect(try copy.manager().incidents.count { $0.message.contains("no sound frame") } == 30)
  }

  /// The frame that is hit is its log's last, so that no later one tells of the gap.
  @Test func damageOfALogsLastFrameClosesTheLog() throws {
    let store = TestStore()
    let (hit, spared) = (try store.log("hit"), try store.log("spared"))
    try hit.append([UInt8](repeating: 1, count: 100))
    try hit.append([UInt8](repeating: 2, count: 100))
    try hit.sync()
    try spared.append([5])
    let copy = try store.crashed()
    try #require(try copy.segments().last).overwrite(at: Self.headerSize + 192 + 100, with: [9])
    #expect(#expect(throws: AofError.self) { try copy.log("hit").append([1]) }?.code == .readOnly)
    #expect(try copy.log("hit").contents() == [UInt8](repeating: 1, count: 100))
    try copy.log("spared").append([6])
    #expect(try copy.log("spared").contents() == [5, 6])
  }

  /// A segment that was prepared and never activated says nothing about where the WAL goes on.
  @Test func aSegmentThatWasNeverActivatedChangesNothing() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([1, 2, 3])
    let unused = try log.prepareTailSegment(startingAt: 3)
    try log.append([4])
    try log.sync()
    #expect(#expect(throws: AofError.self) { try log.setTailSegment(unused) }?.code == .notAtTail)
    let copy = try store.crashed()
    #expect(try copy.log().contents() == [1, 2, 3, 4])
    #expect(try copy.log().generation.rawValue == 0)
    #expect(try copy.manager().incidents.isEmpty)
    try log.setTailSegment(log.prepareTailSegment(startingAt: 4))
    try log.append([5])
    #expect(try store.crashed().log().contents() == [1, 2, 3, 4, 5])
  }

  @Test func fileNamesThatNoSegmentCanHaveAreLeftAlone() throws {
    let store = TestStore()
    try store.log().append([1])
    try store.close()
    let name = "wal/\(UInt64.max).wal"
    try Data().write(to: store.file(name))
    #expect(try store.log().contents() == [1])
    #expect(FileManager.default.fileExists(atPath: store.file(name).path))
  }

  @Test func aCreationThatWasCutShortIsDoneAgain() throws {
    let store = TestStore()
    try FileManager.default.createDirectory(at: store.file("wal"), withIntermediateDirectories: true)
    try Data().write(to: store.file("lock"))
    try Data([1]).write(to: store.file("manifest.sqlite.new"))
    try store.log().append([1])
    #expect(try store.log().contents() == [1])
  }

  @Test func aSegmentHeaderOfALaterVersionIsRefused() throws {
    let store = TestStore()
    try store.log().append([1])
    let copy = try store.crashed()
    try #require(try copy.segments().last).overwrite(at: 8, with: [200, 0])
    #expect(#expect(throws: AofError.self) { try copy.manager() }?.code == .newerVersion)
  }

  @Test func aMissingWalDirectoryIsNotAnEmptyOne() throws {
    let store = TestStore()
    store.options.walDirectory = store.directory.appendingPathComponent("fast").path
    try store.log().append([1, 2])
    try store.close()
    #expect(try store.log().contents() == [1, 2])
    try store.close()
    try FileManager.default.moveItem(
      at: store.directory.appendingPathComponent("fast"), to: store.directory.appendingPathComponent("away"))
    #expect(throws: AofError.self) { try store.manager() }
    try FileManager.default.moveItem(
      at: store.directory.appendingPathComponent("away"), to: store.directory.appendingPathComponent("fast"))
    #expect(try store.log().contents() == [1, 2])
  }

  @Test func damageOfTheRecoveredTailIsFoundBeforeItIsServed() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([UInt8](repeating: 1, count: 5000))
    let id = log.id
    try store.close()
    try store.file(String(format: "chunks/%016lx/%016lx.chunk", id.rawValue, 0)).overwrite(at: 17, with: [9])
    let reopened = try store.log()
    #expect(#expect(throws: AofError.self) { try reopened.contents() }?.code == .corrupt)
  }

  @Test func attributesAndNamesSurvive() throws {
    let store = TestStore()
    let log = try store.log("a/b/c")
    let manager = try store.manager()
    try manager.rename(try EntryName("c"), in: try #require(manager.resolve(LogPath("a/b"))).id, to: try EntryName("d"), in: .root)
    let copy = try store.crashed()
    #expect(try copy.manager().logs().map(\.description) == ["d"])
    #expect(try copy.log("d").id == log.id)
    #expect(try copy.manager().resolve(LogPath("a/b"))?.kind == .directory)
  }
}
