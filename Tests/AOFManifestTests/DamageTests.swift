import AOFCore
import AOFManifest
import Foundation
import GRDB
import Testing

@Suite("Damaged manifests") struct DamageTests {
  let store: TestStore
  /// The file of a manifest with a bit of everything in it.
  let sound: [UInt8]

  init() throws {
    store = try TestStore()
    let manifest = try store.create()
    for number in 0..<4 {
      let log = try manifest.addTestLog("log-\(number)")
      try manifest.seal([extent(log.id, 0..<1000)], of: log.id)
      let sealed = try #require(try manifest.log(log.id))
      try manifest.recordApplied([progress(sealed, applied: 1500)], firstSequences: [log.walDirectory: 4])
      let object = StoredObject(key: "k\(number)", size: 9, checksum: 8, frameLengths: [7])
      let state = try manifest.unpublished(of: log.id)
      try manifest.recordPublished(
        [Publication(log: log.id, state: state, objects: [(state.extents[0], object)])], sequence: 2)
      try manifest.recordAbandoned(["k\(number)-old"], of: log.id)
    }
    try manifest.close()
    sound = store.bytes
  }

  /// Reads everything there is.
  private func readAll() throws(AofError) {
    let manifest = try store.open()
    _ = try manifest.settings()
    _ = try manifest.nodes()
    _ = try manifest.walDirectories()
    for log in try manifest.logs() {
      _ = try manifest.extents(of: log.id)
      // A damaged tree may list a row that it does not find.
      do throws(AofError) { _ = try manifest.unpublished(of: log.id) } catch where error.code == .notFound {}
      _ = try manifest.extents(of: log.id, in: 0..<4096)
    }
    _ = try manifest.deletableObjects()
    _ = try manifest.remoteSequence()
    _ = try manifest.beginEpoch()
    _ = try manifest.freeID()
    _ = try manifest.integrityProblems()
  }

  /// Checks that an error is the manifest's own and says where.
  private func expectSound(_ error: AofError?, _ what: String) {
    guard let error else { return }
    // A header that names another write version makes SQLite read the file, and not write it.
    let expected: Set<AofError.Code> = [.corrupt, .notAStore, .newerVersion, .readOnly]
    #expect(expected.contains(error.code), "\(what): \(error)")
    #expect(error.message.contains(store.path), "\(what): \(error)")
    #expect(store.names.contains("manifest.sqlite"), "\(what): nothing is deleted")
  }

  private func write(_ bytes: [UInt8]) {
    for name in store.names { try? FileManager.default.removeItem(atPath: store.directory + "/" + name) }
    store.bytes = bytes
  }

  @Test func soundIsRead() throws {
    try readAll()
  }

  @Test(arguments: [1, 2, 3, 4, 5, 7, 9])
  func truncated(_ tenths: Int) {
    write(Array(sound.prefix(sound.count * tenths / 10)))
    let error = failure { () throws(AofError) in try readAll() }
    #expect(error?.code == .corrupt, "\(String(describing: error))")
    expectSound(error, "cut at \(tenths) tenths")
  }

  @Test func garbledPages() {
    for page in 0..<(sound.count / 4096) {
      for (offset, length) in [(0, 16), (0, 4096), (100, 60), (2000, 2000), (4000, 96)] {
        var bytes = sound
        for index in 0..<min(length, 4096 - offset) { bytes[page * 4096 + offset + index] ^= 0xA5 }
        write(bytes)
        expectSound(failure { () throws(AofError) in try readAll() }, "page \(page), \(length) bytes at \(offset)")
      }
    }
  }

  @Test func flippedBitsNeverEndTheProcess() {
    var random = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 0...999, using: &random)
    var state = seed
    for _ in 0..<300 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let bit = Int(state >> 33) % (sound.count * 8)
      var bytes = sound
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      write(bytes)
      expectSound(failure { () throws(AofError) in try readAll() }, "bit \(bit) of seed \(seed)")
    }
  }

  @Test("Values that no version wrote", arguments: [
    "UPDATE nodes SET kind = 9", "UPDATE nodes SET kind = 'x'", "UPDATE nodes SET name = x'2f' WHERE id = 2",
    "UPDATE nodes SET name = zeroblob(300) WHERE id = 2", "UPDATE nodes SET mode = -1", "UPDATE nodes SET uid = 1 << 40",
    "UPDATE nodes SET atime = 'noon'", "UPDATE nodes SET parent = -5 WHERE id = 2", "UPDATE nodes SET ctime = 1e300",
    "UPDATE logs SET chunk_size = 100", "UPDATE logs SET chunk_size = -1", "UPDATE logs SET chunk_size = x'00'",
    "UPDATE logs SET sealed_lsn = -1", "UPDATE logs SET applied_lsn = 999", "UPDATE logs SET applied_lsn = 1501",
    "UPDATE logs SET applied_frames = x''", "UPDATE logs SET applied_frames = 5", "UPDATE logs SET generation = -1",
    "UPDATE logs SET generation = 1 << 32", "UPDATE logs SET head_lsn = -1", "UPDATE logs SET remote_lsn = 'x'",
    "UPDATE logs SET generation_start = -9", "UPDATE logs SET data_directory = x'ff'",
    "UPDATE extents SET end_lsn = 0", "UPDATE extents SET end_lsn = 2000", "UPDATE extents SET frames = x'01000000'",
    "UPDATE extents SET chunk = -1", "UPDATE extents SET generation = 'x'", "UPDATE extents SET sealed_at = x'00'",
    "UPDATE extents SET object_size = -1", "UPDATE extents SET object_size = NULL",
    "UPDATE extents SET object_frames = x'00'", "UPDATE extents SET object_checksum = -1",
    "UPDATE wal_directories SET first_sequence = -1", "UPDATE wal_directories SET first_sequence = 'x'",
    "UPDATE settings SET value = 'big' WHERE key = 'cache_size'", "UPDATE settings SET value = '3K' WHERE key = 'chunk_size'",
    "DELETE FROM settings WHERE key = 'remote'", "UPDATE counters SET value = -1 WHERE name = 'epoch'",
    "DELETE FROM counters WHERE name = 'next_node'", "UPDATE counters SET value = 1 WHERE name = 'next_node'",
    "UPDATE counters SET value = 'x' WHERE name = 'remote_sequence'", "DELETE FROM counters WHERE name = 'epoch'",
    "ALTER TABLE nodes DROP COLUMN mode", "ALTER TABLE logs RENAME TO loggs", "DROP TABLE settings",
  ])
  func impossibleContent(_ sql: String) throws {
    var configuration = Configuration()
    configuration.foreignKeysEnabled = false
    let database = try DatabaseQueue(path: store.path, configuration: configuration)
    try database.write { try $0.execute(sql: sql) }
    try database.close()
    let error = failure { () throws(AofError) in try readAll() }
    #expect(error?.code == .corrupt, "\(String(describing: error))")
    expectSound(error, sql)
  }
}
