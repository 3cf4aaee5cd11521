import AOFCore
import AOFEngine
import Foundation
import GRDB
import Testing

/// Logs that were trimmed and cut, and whose manifest was lost.
@Suite struct TruncationRecoveryTests {
  private let store = TestStore()
  private let old: [UInt8]
  private let new: [UInt8]

  private static let head = 40_960
  private static let cut = 200_001

  /// Published, then trimmed and cut, and other bytes appended.
  init() throws {
    var noise = Noise(seed: 51)
    old = noise.bytes(400_000)
    new = noise.bytes(150_000)
    let log = try store.log()
    try log.append(old)
    try log.checkpoint()
    try log.truncate(TruncationRequest(.head, at: LSN(rawValue: UInt64(Self.head))))
    try log.truncate(TruncationRequest(.tail, at: LSN(rawValue: UInt64(Self.cut))))
    try log.append(new)
    try log.sync()
  }

  private var expected: [UInt8] { Array(old[Self.head..<Self.cut]) + new }

  private func check(_ store: TestStore) throws {
    let log = try store.log()
    #expect(log.watermarks.head == LSN(rawValue: UInt64(Self.head)))
    #expect(try log.contents(from: log.watermarks.head) == expected)
    #expect(try log.verify(remote: true).problems.isEmpty)
    try log.append([1])
    try log.checkpoint()
    try log.evict()
    #expect(try log.contents(from: log.watermarks.head) == expected + [1])
    try store.close()
  }

  @Test func theRemoteAloneHasTheLogAsItIsNow() throws {
    try store.log().checkpoint()
    try store.close()
    let fresh = TestStore()
    var options = RecoverOptions()
    options.remote = "dir:" + store.path + "/remote"
    try FileManager.default.createDirectory(at: fresh.directory, withIntermediateDirectories: true)
    let report = try AofManager.recover(fresh.path, options)
    #expect(report.logs.map(\.tail) == [LSN(rawValue: UInt64(Self.cut + new.count))])
    try check(fresh)
  }

  @Test func aStoreWhoseManifestIsLostFindsItsLogAgain() throws {
    try store.log().checkpoint()
    try store.close()
    try store.removeManifest()
    _ = try AofManager.recover(store.path)
    try check(store)
  }

  @Test func aSoundStoreThatWasTruncatedVerifies() throws {
    for _ in 0..<2 {
      try store.close()
      var options = VerifyOptions()
      options.remote = true
      let report = try AofManager.verify(store.path, options)
      #expect(report.isGood, "\(report.problems) \(report.logs)")
      try store.log().checkpoint()
    }
    try check(store)
  }

  /// The frame that the head cuts stays, and so the extent begins below the head, and below the remote LSN.
  @Test("A trim within an extent that has no object is sound", arguments: [false, true])
  func aTrimWithinAnExtentWithoutObject(isPublished: Bool) throws {
    let store = TestStore(chunkSize: .standard)
    let log = try store.log()
    try log.append(old)
    if isPublished { try log.checkpoint() }
    try log.truncate(TruncationRequest(.head, at: LSN(rawValue: UInt64(Self.head))))
    // The extent that the cut splits loses its object.
    if isPublished { try log.truncate(TruncationRequest(.tail, at: LSN(rawValue: UInt64(Self.cut)))) }
    try store.close()
    let report = try AofManager.verify(store.path)
    #expect(report.isGood, "\(report.problems) \(report.logs)")
    #expect(try AofManager.recover(store.path).wasSound)
  }
}

/// Truncations that the remote was not told of: what it still has past them must not come back.
@Suite struct UnpublishedCutTests {
  private let store = TestStore(chunkSize: .standard)
  private let old: [UInt8]
  private let new: [UInt8]

  private static let cut = 300_000

  /// Published, then cut in the middle of an extent and of a frame.
  init() throws {
    var noise = Noise(seed: 52)
    old = noise.bytes(600_000)
    new = noise.bytes(200_000)
    try store.log("other").append([1])
    try store.log().append(old)
    try store.log().checkpoint()
    try store.log().truncate(TruncationRequest(.tail, at: LSN(rawValue: UInt64(Self.cut))))
  }

  private var kept: [UInt8] { Array(old[..<Self.cut]) }

  /// The log is `expected`, wherever its bytes are, and goes on.
  private func check(_ store: TestStore, _ expected: [UInt8]) throws {
    #expect(try store.log().contents() == expected)
    #expect(try store.log().verify(remote: true).problems.isEmpty)
    try store.log().append([1])
    try store.log().checkpoint()
    try store.log().evict()
    #expect(try store.log().contents() == expected + [1])
    try store.close()
    var options = VerifyOptions()
    options.remote = true
    let report = try AofManager.verify(store.path, options)
    #expect(report.isGood, "\(report.problems) \(report.logs)")
  }

  /// The row of another log is damaged, and so the manifest.
  private func damage(_ more: String = "") throws {
    let id = try store.log("other").id.rawValue
    try store.close()
    let queue = try DatabaseQueue(path: store.path + "/manifest.sqlite")
    try queue.write { try $0.execute(sql: "UPDATE logs SET chunk_size = 3 WHERE id = \(id); \(more)") }
    try queue.close()
  }

  @Test func theManifestTellsOfACut() throws {
    try store.log().append(new)
    try store.log().sealTail()
    try damage()
    #expect(try !AofManager.recover(store.path).wasSound)
    try check(store, kept + new)
  }

  @Test func theManifestTellsOfSeveralCuts() throws {
    try store.log().append(new)
    try store.log().truncate(TruncationRequest(.tail, at: LSN(rawValue: 400_001)))
    try store.log().append(new)
    try store.log().sealTail()
    try damage()
    #expect(try !AofManager.recover(store.path).wasSound)
    try check(store, kept + new.prefix(100_001) + new)
  }

  @Test func nothingWasAppendedAfterTheCut() throws {
    try damage()
    #expect(try !AofManager.recover(store.path).wasSound)
    try check(store, kept)
  }

  /// What stays of the extent is proven by the disk, and the frame that is split by its object, too.
  @Test func theRowOfTheExtentThatWasSplitIsLost() throws {
    try store.log().append(new)
    try store.log().sealTail()
    try damage("DELETE FROM extents WHERE log = \(store.log().id.rawValue) AND first_lsn = 0")
    #expect(try !AofManager.recover(store.path).wasSound)
    try check(store, kept + new)
  }

  @Test func theWalTellsOfACut() throws {
    try store.log().append(new)
    try store.log().sync()
    let copy = try store.crashed()
    try copy.removeManifest()
    let report = try AofManager.recover(copy.path)
    #expect(report.notes.contains { $0.contains("was truncated there or below") }, "\(report.notes)")
    try check(copy, kept + new)
  }

  /// The split frame is not on the disk as the object has it: nothing says which of the two is right.
  @Test func whatStaysIsDamaged() throws {
    try store.log().append(new)
    try store.log().sync()
    let copy = try store.crashed()
    try copy.removeManifest()
    let file = copy.file(String(format: "chunks/%016lx/%016lx.chunk", try store.log().id.rawValue, 0))
    try file.overwrite(at: 270_000, with: [old[270_000] ^ 1])
    let report = try AofManager.recover(copy.path)
    #expect(report.notes.contains { $0.contains("so the log ends there") }, "\(report.notes)")
    #expect(try copy.log().contents() == Array(old[..<270_000]))
    let evidence = try FileManager.default.contentsOfDirectory(atPath: copy.path + "/evidence")
    #expect(evidence.contains { $0.contains(".wal.") } && evidence.contains { !$0.contains(".wal.") }, "\(evidence)")
  }

  /// The WAL let go of what came right after the cut. It is in a chunk file, in the place of what was published.
  @Test func theWalNoLongerReachesTheCut() throws {
    try store.log().append(Array(new[..<100_000]))
    try store.close()
    try store.log().append(Array(new[100_000...]))
    try store.log().sync()
    let copy = try store.crashed()
    try copy.removeManifest()
    let report = try AofManager.recover(copy.path)
    #expect(try copy.log().contents() == kept, "\(report.notes)")
    let evidence = try FileManager.default.contentsOfDirectory(atPath: copy.path + "/evidence").map {
      try Data(contentsOf: copy.file("evidence/" + $0))
    }
    #expect(evidence.contains { $0.range(of: Data(new[..<100_000])) != nil })
    #expect(evidence.contains { $0.range(of: Data(new[100_000...])) != nil })
  }
}
