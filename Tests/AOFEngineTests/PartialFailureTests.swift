import AOFCore
import AOFEngine
import AOFFormat
import AOFRemote
import Foundation
import GRDB
import Testing

/// What fails for a part of the logs, or for a part of one, does not fail for the rest.
@Suite struct PartialFailureTests {
  private let store: TestStore
  private let remote: FaultyRemote
  private let bytes: [UInt8]

  init() throws {
    store = TestStore()
    let directory = store.directory.appendingPathComponent("remote")
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    remote = FaultyRemote(try DirectoryStore(path: directory.path, create: true))
    store.remote = remote
    var noise = Noise(seed: 41)
    bytes = noise.bytes(4 * 131_072)
  }

  private func damage(chunk: UInt64, of log: Aof) throws {
    let path = store.path + "/chunks/" + FixedWidthNumber.hex(log.id.rawValue) + "/" + FixedWidthNumber.hex(chunk) + ".chunk"
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try file.seek(toOffset: 5000)
    try file.write(contentsOf: Data(repeating: 0, count: 100))
    try file.close()
  }

  private func names() throws -> [String] { try remote.list(RemoteKey("chunks"), after: nil, limit: 100).map(\.key.text) }

  @Test func whatIsSoundBelowADamagedChunkIsPublishedOnce() throws {
    let log = try store.log()
    try log.append(bytes)
    try log.sealTail()
    try damage(chunk: 2, of: log)
    for _ in 0..<3 {
      #expect(#expect(throws: AofError.self) { try log.checkpoint() }?.code == .corrupt)
      #expect(log.watermarks.remote == 262_144)
      #expect(try log.objects().count == 2)
      #expect(try names().count == 2)
    }
    #expect(try log.evict().rawValue == 262_144)
    #expect(try log.bytes(at: 0, count: 262_144) == Array(bytes[..<262_144]))
  }

  /// The chain names objects then that the manifest knows nothing of.
  @Test func anElementThatIsNotRecordedIsFollowedByASnapshot() throws {
    let log = try store.log()
    try log.append(bytes)
    let database = try DatabaseQueue(path: store.path + "/manifest.sqlite")
    let name = "CREATE TRIGGER refuse BEFORE UPDATE ON counters WHEN new.name = 'remote_sequence' BEGIN SELECT RAISE(ABORT, 'no'); END"
    try database.write { try $0.execute(sql: name) }
    #expect(throws: AofError.self) { try log.checkpoint() }
    try database.write { try $0.execute(sql: "DROP TRIGGER refuse") }
    try database.close()
    #expect(try log.checkpoint() == 524_288)
    let state = try RemoteManifestStore(remote, storeID: store.manager().settings.storeID, create: false).state()
    #expect(state.problems == [])
    #expect(state.extents(of: log.id).map(\.key.text).sorted() == (try log.objects().map(\.key).sorted()))
    #expect(try log.verify(remote: true).problems == [])
  }

  /// An extent that is damaged in the manifest keeps its log's bytes on the disk, and nobody else's.
  @Test func whatOneLogCannotGiveUpKeepsNoOtherFromBeingEvicted() throws {
    store.options.cacheSize = ByteCount(rawValue: 1 << 20)
    let (bad, good) = (try store.log("bad"), try store.log("good"))
    try bad.append(Array(bytes[..<200_000]))
    try good.append(Array(bytes[..<400_000]))
    try store.manager().checkpoint()
    try store.close()
    let database = try DatabaseQueue(path: store.path + "/manifest.sqlite")
    try database.write {
      try $0.execute(sql: "UPDATE extents SET frames = x'00' WHERE log = ?", arguments: [Int64(bad.id.rawValue)])
    }
    try database.close()
    let log = try store.log("good")
    for part in 0..<10 {
      try log.append([UInt8](repeating: UInt8(part), count: 300_000))
      try log.checkpoint()
    }
    #expect(log.watermarks.tail == 3_400_000)
  }
}
