import AOFCore
import AOFEngine
import AOFManifest
import AOFRemote
import AOFSystem
import Foundation
import GRDB
import Testing

/// Stores whose manifest is damaged or lost, or of which nothing but the remote is left.
@Suite struct RecoverTests {
  let store = TestStore()
  private let bytes: [UInt8]

  /// `d/log`: published, then sealed, then a tail in the WAL alone. `other`: never sealed.
  init() throws {
    var noise = Noise(seed: 31)
    bytes = noise.bytes(420_000)
    let log = try store.log("d/log")
    try log.append(Array(bytes[..<300_000]))
    try log.checkpoint()
    try log.append(Array(bytes[300_000..<380_000]))
    try log.sealTail()
    try log.append(Array(bytes[380_000...]))
    try store.log("other").append([1, 2, 3])
    try store.log("other").sync()
  }

  private var manifest: URL { store.file("manifest.sqlite") }

  /// Everything of `log`, up to its tail, is what was appended, and the store is sound.
  private func expect(_ count: Int, of log: String, in store: TestStore, _ expected: [UInt8]) throws {
    let log = try store.log(log)
    #expect(log.tailLSN.rawValue == UInt64(count))
    #expect(try log.contents() == Array(expected.prefix(count)))
    #expect(try log.verify(remote: true).problems.isEmpty)
    try store.close()
    var options = VerifyOptions()
    options.remote = true
    let report = try AofManager.verify(store.path, options)
    #expect(report.isGood, "\(report.problems) \(report.logs)")
  }

  @Test func aSoundStoreStaysAsItIs() throws {
    try store.close()
    let before = try Data(contentsOf: manifest)
    #expect(try AofManager.recover(store.path).wasSound)
    #expect(try Data(contentsOf: manifest) == before)
  }

  @Test func aStoreInUseIsRefused() throws {
    #expect(#expect(throws: AofError.self) { try AofManager.recover(store.path) }?.code == .locked)
  }

  /// With the remote, and a WAL that begins where the published part ends.
  @Test func aLostManifestIsMadeOfRemoteAndWal() throws {
    let log = try store.log("whole")
    try log.append(Array(bytes[..<1000]))
    try log.checkpoint()
    try log.append(Array(bytes[1000..<50_000]))
    try log.sync()
    let copy = try store.crashed()
    try copy.removeManifest()
    let report = try AofManager.recover(copy.path)
    #expect(!report.wasSound && report.oldManifest == nil)
    #expect(report.logs.map(\.path.description).contains("d/log"))
    try expect(50_000, of: "whole", in: copy, bytes)
    // The same ids and attributes; a new generation, for nobody knows what had been past the tail.
    #expect(try copy.log("whole").id == log.id)
    #expect(try copy.log("whole").generation.rawValue == 1)
    try copy.log("whole").append([9])
    try copy.close()
    #expect(try AofManager.recover(copy.path).wasSound)
  }

  /// Opened as it is the log would be closed at its tail.
  @Test(arguments: [false, true]) func aLogThatLacksBytesInTheWalGoesOnBeforeThem(isManifestLost: Bool) throws {
    let log = try store.log("torn")
    for part in [Array("first".utf8), Array("second, which is lost".utf8), Array("third".utf8)] {
      try log.append(part)
      try log.sync()
    }
    let copy = try store.crashed()
    if isManifestLost { try copy.removeManifest() } else { try copy.file("manifest.sqlite").overwrite(at: 0, with: [0]) }
    for segment in try copy.segments() {
      guard let found = try Data(contentsOf: segment).range(of: Data("second, which".utf8)) else { continue }
      try segment.overwrite(at: found.lowerBound, with: [0xff])
    }
    let report = try AofManager.recover(copy.path)
    #expect(report.notes.contains { $0.contains("the log ends there") }, "\(report.notes)")
    let torn = try copy.log("recovered/\(log.id)")
    #expect(try torn.contents() == Array("first".utf8))
    try torn.append([9])
    try copy.close()
    let again = try copy.log("recovered/\(log.id)")
    #expect(try again.contents() == Array("first".utf8) + [9])
  }

  /// What no checksum covers is not taken: without the manifest nothing tells what the sealed, unpublished part held.
  @Test func whatNothingProvesIsKeptAside() throws {
    try store.close()
    try store.removeManifest()
    let report = try AofManager.recover(store.path)
    try expect(300_000, of: "d/log", in: store, bytes)
    #expect(report.notes.contains { $0.contains("cannot be proven") }, "\(report.notes)")
    let evidence = try FileManager.default.contentsOfDirectory(atPath: store.path + "/evidence")
    #expect(!evidence.isEmpty)
    // All of what follows is there, at its place in its chunk.
    let tail = evidence.first { $0.contains("-0000000000000003") }
    let kept = try #require(tail.flatMap { FileManager.default.contents(atPath: store.path + "/evidence/" + $0) })
    #expect(kept.elementsEqual(bytes[393_216...]))
  }

  /// Rows that can be read prove bytes that the remote does not have.
  @Test func aDamagedManifestStillProvesBytes() throws {
    try store.close()
    // The index of names is destroyed, and no row with it.
    let pages = try Data(contentsOf: manifest).count / 4096
    var recovered = 0
    for page in 1..<pages {
      let copy = try store.crashed()
      try copy.file("manifest.sqlite").overwrite(at: page * 4096, with: [UInt8](repeating: 0x55, count: 4096))
      let report = try AofManager.recover(copy.path)
      if report.wasSound { continue }
      let old = try #require(report.oldManifest)
      #expect(FileManager.default.fileExists(atPath: old))
      let log = try copy.log("d/log")
      let contents = try log.contents()
      #expect(contents.count >= 300_000 && contents.elementsEqual(bytes.prefix(contents.count)))
      if contents.count == bytes.count { recovered += 1 }
      try copy.close()
      #expect(try AofManager.verify(copy.path).isGood)
    }
    #expect(recovered >= 1)
  }

  @Test func withoutARemoteTheWalIsWhatIsLeft() throws {
    let alone = TestStore()
    try alone.log("a").append(Array(bytes[..<100_000]))
    try alone.log("a").sync()
    let copy = try alone.crashed()
    try copy.removeManifest()
    try FileManager.default.removeItem(at: copy.file("remote"))
    let id = try alone.log("a").id
    copy.options.chunkSize = nil
    let report = try AofManager.recover(copy.path)
    #expect(report.logs.map(\.path.description) == ["recovered/\(id)"])
    try expect(100_000, of: "recovered/\(id)", in: copy, bytes)
  }

  @Test func aLostStoreIsMadeOfItsRemote() throws {
    try store.close()
    let fresh = TestStore()
    try FileManager.default.createDirectory(at: fresh.directory, withIntermediateDirectories: true)
    var options = RecoverOptions()
    options.remote = "dir:" + store.path + "/remote"
    let report = try AofManager.recover(fresh.path, options)
    #expect(report.logs.map(\.path.description) == ["d/log"])
    #expect(try fresh.log("d/log").extents().allSatisfy { $0.residency == .evicted })
    try expect(300_000, of: "d/log", in: fresh, bytes)
    try fresh.log("d/log").append([7])
    #expect(try fresh.log("d/log").checkpoint() == 300_001)
    // The old store is fenced now, however often it is opened.
    for _ in 0..<3 {
      try store.log("d/log").append([8])
      #expect(#expect(throws: AofError.self) { try store.log("d/log").checkpoint() }?.code == .fenced)
      try store.close()
    }
    try fresh.log("d/log").append([8])
    #expect(try fresh.log("d/log").checkpoint() == 300_002)
    // And a third store of what the second one published.
    try fresh.close()
    let third = TestStore()
    try FileManager.default.createDirectory(at: third.directory, withIntermediateDirectories: true)
    _ = try AofManager.recover(third.path, options)
    #expect(try third.log("d/log").contents() == Array(bytes[..<300_000]) + [7, 8])
    try fresh.log("d/log").append([9])
    #expect(#expect(throws: AofError.self) { try fresh.log("d/log").checkpoint() }?.code == .fenced)
  }

  @Test func anotherPlaceLeavesTheOldOneAlone() throws {
    let copy = try store.crashed()
    try copy.file("manifest.sqlite").overwrite(at: 0, with: [UInt8](repeating: 0, count: 100))
    let names = { try FileManager.default.subpathsOfDirectory(atPath: copy.path).filter { !$0.hasPrefix("remote") }.sorted() }
    let before = try names()
    var options = RecoverOptions()
    options.into = copy.directory.appendingPathComponent("new").path
    let report = try AofManager.recover(copy.path, options)
    #expect(try names() == before)
    #expect(report.store == options.into && report.logs.count == 2)
    let manager = try AofManager.open(report.store)
    #expect(try manager.openLog("d/log").contents() == bytes)
    try manager.close()
    #expect(#expect(throws: AofError.self) { try AofManager.recover(copy.path, options) }?.code == .alreadyExists)
  }

  /// Two stores with one WAL directory would recycle each other's segments.
  @Test func anotherPlaceIsRefusedToAStoreWithDirectoriesElsewhere() throws {
    let store = TestStore()
    store.options.walDirectory = store.directory.appendingPathComponent("fast").path
    try store.log().append([1])
    store.abandon()
    try store.file("manifest.sqlite").overwrite(at: 0, with: [UInt8](repeating: 0, count: 100))
    var options = RecoverOptions()
    options.into = store.directory.appendingPathComponent("new").path
    options.walDirectory = store.options.walDirectory
    #expect(#expect(throws: AofError.self) { try AofManager.recover(store.path, options) }?.code == .unsupported)
    options.into = nil
    // Nothing but the WAL is left, which knows no names and no chunk sizes.
    store.options.chunkSize = nil
    let logs = try AofManager.recover(store.path, options).logs
    #expect(logs.map(\.path.description) == ["recovered/2"])
    #expect(try store.log("recovered/2").contents() == [1])
  }

  /// The ends of logs may be on a disk that is not mounted: made without it, the manifest would void them.
  @Test func aWalThatIsMissingIsWaitedFor() throws {
    let store = TestStore()
    store.options.walDirectory = store.directory.appendingPathComponent("fast").path
    try store.log("a").append(Array(bytes[..<3000]))
    try store.log("a").sync()
    let other = try store.log("b").id
    store.abandon()
    let queue = try DatabaseQueue(path: store.path + "/manifest.sqlite")
    try queue.write { try $0.execute(sql: "UPDATE logs SET chunk_size = 3 WHERE id = \(other.rawValue)") }
    try queue.close()
    let (fast, away) = (store.directory.appendingPathComponent("fast"), store.directory.appendingPathComponent("away"))
    try FileManager.default.moveItem(at: fast, to: away)
    let error = #expect(throws: AofError.self) { try AofManager.recover(store.path) }
    #expect(error?.code == .notFound && error?.message.contains("WAL directory") == true)
    #expect(!FileManager.default.fileExists(atPath: fast.path))
    try FileManager.default.moveItem(at: away, to: fast)
    #expect(try !AofManager.recover(store.path).wasSound)
    try expect(3000, of: "a", in: store, bytes)
  }

  @Test func aRecoveryThatWasCutShortIsRunAgain() throws {
    try store.close()
    let whole = try Data(contentsOf: manifest)
    // The manifest is moved aside, and its journal is not yet; a new one was begun.
    let aside = store.file("manifest.sqlite.damaged-00000000000000000007")
    try FileManager.default.moveItem(at: manifest, to: aside)
    try Data().write(to: store.file("manifest.sqlite-wal"))
    try Data([1]).write(to: store.file("manifest.sqlite.new"))
    let report = try AofManager.recover(store.path)
    #expect(report.oldManifest == nil && report.logs.count == 2)
    #expect(try Data(contentsOf: aside) == whole)
    try expect(420_000, of: "d/log", in: store, bytes)
  }

  @Test func whatIsNoStoreIsRefused() throws {
    let none = store.directory.appendingPathComponent("none").path
    #expect(#expect(throws: AofError.self) { try AofManager.recover(none) }?.code == .notFound)
    var options = RecoverOptions()
    options.remote = "dir:" + store.directory.path
    #expect(#expect(throws: AofError.self) { try AofManager.recover(none, options) }?.code == .notAStore)
    #expect(#expect(throws: AofError.self) { try AofManager.recover(store.directory.path) }?.code == .notAStore)
    let other = TestStore()
    try other.log().append([1])
    try other.log().checkpoint()
    try other.close()
    try store.close()
    try manifest.overwrite(at: 4096, with: [UInt8](repeating: 0, count: 4096))
    options.remote = "dir:" + other.path + "/remote"
    let error = #expect(throws: AofError.self) { try AofManager.recover(store.path, options) }
    #expect(error?.code == .notAStore)
  }
}
