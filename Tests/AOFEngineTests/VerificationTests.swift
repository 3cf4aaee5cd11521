import AOFCore
import AOFEngine
import AOFManifest
import AOFSystem
import Foundation
import GRDB
import Testing

/// Stores that are not open, damaged on purpose: each damage is found, and nothing is changed by looking for it.
@Suite struct VerificationTests {
  let store = TestStore()
  private let bytes: [UInt8]
  private let id: LogID

  /// One log: three chunks of published extents, then a sealed one that is not published, then a tail.
  init() throws {
    var noise = Noise(seed: 21)
    bytes = noise.bytes(420_000)
    let log = try store.log("d/log")
    id = log.id
    try log.append(Array(bytes[..<300_000]))
    try log.checkpoint()
    try log.append(Array(bytes[300_000..<380_000]))
    try log.sealTail()
    try log.append(Array(bytes[380_000...]))
    try log.sync()
  }

  private func chunk(_ number: Int) -> URL {
    store.file(String(format: "chunks/%016lx/%016lx.chunk", id.rawValue, number))
  }

  private func verify(remote: Bool = false, repair: Bool = false, _ log: String? = nil) throws -> StoreReport {
    var options = VerifyOptions()
    options.remote = remote
    options.repair = repair
    options.log = try log.map { try LogPath($0) }
    return try AofManager.verify(store.path, options)
  }

  private func problems(_ report: StoreReport) -> [String] { report.problems + report.logs.flatMap(\.report.problems) }

  /// Every file of the store, with its bytes.
  private func contents() throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: store.path) {
      files[name] = FileManager.default.contents(atPath: store.path + "/" + name) ?? Data()
    }
    return files
  }

  private func execute(_ sql: String) throws {
    var configuration = Configuration()
    configuration.foreignKeysEnabled = false
    let database = try DatabaseQueue(path: store.path + "/manifest.sqlite", configuration: configuration)
    try database.write { try $0.execute(sql: sql) }
    try database.close()
  }

  private func object() throws -> URL {
    let objects = try FileManager.default.subpathsOfDirectory(atPath: store.path + "/remote/chunks")
    return store.file("remote/chunks/" + (try #require(objects.sorted().first { $0.hasSuffix(".zst") })))
  }

  @Test func aSoundStoreIsSoundAndStaysAsItIs() throws {
    try store.close()
    let before = try contents()
    let report = try verify(remote: true)
    #expect(report.isGood, "\(problems(report))")
    #expect(report.notes.isEmpty, "\(report.notes)")
    #expect(report.logs.map(\.report.framesChecked) == [6])
    #expect(report.logs.map(\.report.objectsChecked) == [3])
    #expect(try contents() == before)
    #expect(try verify("d/log").isGood)
    #expect(#expect(throws: AofError.self) { try verify("none") }?.code == .notFound)
  }

  /// The tail is in the WAL alone, and the manifest's last transactions in SQLite's journal.
  @Test func aKilledStoreIsCheckedBeforeItIsRecovered() throws {
    let copy = try store.crashed()
    let before = try #require(try? FileManager.default.subpathsOfDirectory(atPath: copy.path).sorted())
    let report = try AofManager.verify(copy.path)
    #expect(report.isGood, "\(problems(report))")
    #expect(try FileManager.default.subpathsOfDirectory(atPath: copy.path).sorted() == before)
    #expect(try copy.log("d/log").contents() == bytes)
  }

  @Test func aStoreInUseIsRefused() throws {
    #expect(#expect(throws: AofError.self) { try verify() }?.code == .locked)
    let none = store.directory.appendingPathComponent("none").path
    #expect(#expect(throws: AofError.self) { try AofManager.verify(none) }?.code == .notFound)
    #expect(#expect(throws: AofError.self) { try AofManager.verify(store.directory.path) }?.code == .notAStore)
  }

  /// The file `lock` looks like one that was left behind.
  @Test func aStoreWhoseLockWasRemovedIsStillInUse() throws {
    let lock = store.path + "/lock"
    for _ in 0..<2 {
      try? FileManager.default.removeItem(atPath: lock)
      #expect(#expect(throws: AofError.self) { try AofManager.open(store.path) }?.code == .locked)
      #expect(#expect(throws: AofError.self) { try verify() }?.code == .locked)
      #expect(#expect(throws: AofError.self) { try AofManager.recover(store.path) }?.code == .locked)
    }
    #expect(!FileManager.default.fileExists(atPath: lock))
    try store.close()
    try AofManager.open(store.path).close()
  }

  @Test func damagedFramesThatTheRemoteHoldsComeBack() throws {
    try store.close()
    try chunk(0).overwrite(at: 5, with: [bytes[5] ^ 1])
    try FileManager.default.removeItem(at: chunk(1))
    let report = try verify()
    #expect(problems(report).count == 2 && problems(report).allSatisfy { $0.contains("the remote holds them") })
    let repaired = try verify(remote: true, repair: true)
    #expect(repaired.isGood, "\(problems(repaired)) \(repaired.left)")
    #expect(repaired.repaired.count == 2 && repaired.left.isEmpty)
    let evidence = try FileManager.default.contentsOfDirectory(atPath: store.path + "/evidence")
    #expect(evidence.count == 1)
    let kept = FileManager.default.contents(atPath: store.path + "/evidence/" + evidence[0])
    #expect(kept?[5] == bytes[5] ^ 1)
    #expect(try Array(Data(contentsOf: chunk(0)))[..<131_072] == bytes[..<131_072])
    #expect(try store.log("d/log").contents() == bytes)
  }

  @Test func theOnlyCopyIsNeverTouched() throws {
    try store.close()
    try chunk(2).overwrite(at: 310_000 - 262_144, with: [bytes[310_000] ^ 1])
    try chunk(3).overwrite(at: 1, with: [bytes[393_217] ^ 1])
    let before = try contents()
    let report = try verify(repair: true)
    #expect(problems(report).count == 2, "\(problems(report))")
    #expect(problems(report).allSatisfy { $0.contains("nothing else holds them") })
    #expect(report.repaired.isEmpty)
    #expect(try contents().filter { $0.key != "lock" } == before.filter { $0.key != "lock" })
  }

  @Test func aFrameThatTheRemoteHasLostTooIsLeft() throws {
    try store.close()
    try chunk(0).overwrite(at: 5, with: [bytes[5] ^ 1])
    try object().overwrite(at: 100, with: [1, 2, 3, 4])
    let report = try verify(remote: true, repair: true)
    #expect(!report.isGood && report.repaired.isEmpty && report.left.count == 1)
    #expect(try Data(contentsOf: chunk(0))[5] == bytes[5] ^ 1)
  }

  @Test func residencyThatLiesIsCorrected() throws {
    try store.close()
    // The unpublished extent is called evicted: its bytes are here and nowhere else.
    try execute("UPDATE extents SET residency = x'00' WHERE object_key IS NULL")
    #expect(try problems(verify()).count >= 1)
    let report = try verify(repair: true)
    #expect(report.isGood && !report.repaired.isEmpty, "\(problems(report))")
    #expect(try store.log("d/log").contents() == bytes)
  }

  @Test("Rows that no sound store has", arguments: [
    "UPDATE logs SET remote_lsn = 400000", "UPDATE logs SET sealed_lsn = 370000",
    "DELETE FROM extents WHERE first_lsn = 131072", "UPDATE extents SET end_lsn = 300001 WHERE end_lsn = 300000",
    "UPDATE nodes SET parent = 77 WHERE kind = 1", "UPDATE nodes SET parent = 2 WHERE id = 2",
    "DELETE FROM nodes WHERE kind = 1", "DELETE FROM logs", "DELETE FROM wal_directories",
    "UPDATE counters SET value = 2 WHERE name = 'next_node'", "UPDATE counters SET value = 0 WHERE name = 'epoch'",
    "DELETE FROM counters WHERE name = 'epoch'", "DELETE FROM settings WHERE key = 'store_id'",
    "UPDATE extents SET frames = x'01000000' WHERE first_lsn = 0", "UPDATE extents SET object_size = 9 WHERE first_lsn = 0",
    "UPDATE extents SET object_key = NULL WHERE first_lsn = 0", "UPDATE logs SET chunk_size = 3",
  ])
  func wrongRowsAreFound(_ sql: String) throws {
    try store.close()
    try execute(sql)
    let before = try contents()
    #expect(try !verify().isGood)
    #expect(try contents() == before)
  }

  @Test func aDamagedOrLostManifestIsFound() throws {
    try store.close()
    let manifest = store.file("manifest.sqlite")
    let whole = try Data(contentsOf: manifest)
    try manifest.overwrite(at: 4096, with: [UInt8](repeating: 0xA5, count: 4096))
    #expect(try !verify().isGood)
    try Data(whole.prefix(30)).write(to: manifest)
    #expect(try problems(verify()).first?.contains("recover") == true)
    try FileManager.default.removeItem(at: manifest)
    #expect(try problems(verify()).first?.contains("recover") == true)
  }

  @Test func damageOfTheWalIsToldFromATear() throws {
    let log = try store.log("d/log")
    try log.append([1, 2, 3])
    let torn = try store.crashed()
    try log.sync()
    try log.append([4])
    let damaged = try store.crashed()
    let frames = 4096 + 64
    for (copy, isDamage) in [(torn, false), (damaged, true)] {
      let segment = try #require(try copy.segments().last)
      var content = try Data(contentsOf: segment)
      // The last frame with three bytes of payload.
      let offset = try #require(content.range(of: Data([1, 2, 3, 0, 0, 0, 0, 0]), in: frames..<content.count)?.lowerBound)
      content[offset] ^= 0x80
      try content.write(to: segment)
      let report = try AofManager.verify(copy.path)
      #expect(report.isGood == !isDamage, "\(report.problems)")
      #expect(report.notes.isEmpty == isDamage)
      #expect(!FileManager.default.fileExists(atPath: copy.path + "/evidence"))
    }
  }

  @Test func theRemoteIsComparedWithTheManifest() throws {
    try store.close()
    let object = try object()
    let whole = try Data(contentsOf: object)
    try object.overwrite(at: whole.count / 2, with: [whole[whole.count / 2] ^ 1])
    #expect(try verify().isGood)
    #expect(try problems(verify(remote: true)).count == 1)
    try FileManager.default.removeItem(at: object)
    #expect(try problems(verify(remote: true)).count == 1)
    try whole.write(to: object)
    // An object that nothing names is information.
    try whole.write(to: URL(fileURLWithPath: object.path.dropLast(20) + "0123456789abcdef.zst"))
    let report = try verify(remote: true)
    #expect(report.isGood && report.notes.count == 1, "\(problems(report)) \(report.notes)")
    let record = store.file("remote/manifest/00000000000000000001")
    try record.overwrite(at: 3, with: [0])
    #expect(try !verify(remote: true).isGood)
    try FileManager.default.removeItem(at: record)
    #expect(try !verify(remote: true).isGood)
  }

  @Test func filesThatNothingNamesAreTold() throws {
    try store.close()
    let (stray, empty) = (chunk(9), store.file("chunks/00000000000000ff/0000000000000000.chunk"))
    try Data([1]).write(to: stray)
    try FileManager.default.createDirectory(at: empty.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data().write(to: empty)
    try Data([1]).write(to: store.file("manifest.sqlite.new"))
    try Data([1]).write(to: store.file("wal/0000000000000001.spare"))
    let report = try verify()
    #expect(report.isGood && report.notes.count == 4, "\(report.notes)")
    let after = try verify(repair: true)
    #expect(after.repaired.count == 3 && after.notes.count == 1, "\(after.repaired) \(after.notes)")
    #expect(FileManager.default.fileExists(atPath: stray.path), "it holds bytes")
    #expect(!FileManager.default.fileExists(atPath: empty.path))
  }
}
