import AOFCore
import AOFEngine
import AOFManifest
import AOFRemote
import AOFSystem
import Foundation
import Testing

/// Extents of full chunks become one object, and what no manifest names leaves the remote.
@Suite struct MergeTests {
  /// Time that passes when it is told to.
  private final class SetClock: WallClock {
    let time = Lock(UnixTime(seconds: 1_700_000_000, nanoseconds: 0))
    func now() -> UnixTime { time.withLock { $0 } }
    func pass(_ seconds: Int64) {
      time.withLock { $0 = UnixTime(seconds: $0.seconds + seconds, nanoseconds: 0) }
    }
  }

  private let clock = SetClock()
  private let store = TestStore()

  init() {
    store.environment = Environment(disk: SystemDisk(), clock: clock, random: { UInt64.random(in: .min ... .max) })
  }

  private static let day: Int64 = 86_400

  /// The objects in the remote's directory.
  private func objects() throws -> Set<String> {
    let root = store.directory.appendingPathComponent("store/remote")
    return Set(try FileManager.default.subpathsOfDirectory(atPath: root.path).filter { $0.hasSuffix(".zst") })
  }

  private func named(_ log: Aof) throws -> Set<String> { Set(try log.objects().map(\.key)) }

  /// A log whose first chunk was sealed and uploaded in pieces, none of which ends where a frame does, and is full now.
  private func fragmented(_ chunkSize: ChunkSize) throws -> (log: Aof, bytes: [UInt8]) {
    let log = try store.manager().createLog(AofConfig(name: "log", chunkSize: chunkSize))
    var noise = Noise(seed: 3)
    var bytes: [UInt8] = []
    while bytes.count < Int(chunkSize.byteCount.rawValue) {
      let piece = noise.bytes(70_001)
      try log.append(piece)
      bytes += piece
      if bytes.count < Int(chunkSize.byteCount.rawValue) { try log.checkpoint() }
    }
    return (log, bytes)
  }

  @Test func aFullChunkBecomesOneObject() throws {
    let (log, bytes) = try fragmented(ChunkSize(.kibibytes(512)))
    let parts = try named(log)
    #expect(parts.count == 7)
    let hits = try store.manager().measure().readMisses
    try log.checkpoint()
    let after = try log.objects()
    #expect(after.map(\.range) == [0..<524_288, 524_288..<LSN(rawValue: UInt64(bytes.count))])
    // Nothing was read back for it, and nothing will be.
    #expect(try log.extents().allSatisfy { $0.residency == .resident })
    #expect(try log.contents() == bytes)
    #expect(try store.manager().measure().readMisses == hits)
    #expect(try store.manager().measure().totals.mergedExtents == 8)
    #expect(try log.verify(remote: true).problems.isEmpty)
    try log.evict()
    #expect(try log.contents() == bytes)
    // What it replaced stays for those who know it, and then goes.
    #expect(try objects() == parts.union(try named(log)))
    clock.pass(Self.day - 1)
    try log.checkpoint()
    #expect(try parts.isSubset(of: objects()))
    clock.pass(1)
    try log.checkpoint()
    #expect(try objects() == named(log))
    #expect(try store.manager().measure().totals.deletedObjects == 7)
  }

  @Test func aMergedChunkComesBackFromTheRemoteAlone() throws {
    let (log, bytes) = try fragmented(ChunkSize(.kibibytes(256)))
    try log.checkpoint()
    try store.close()
    #expect(try store.log().contents() == bytes)
    try store.close()
    let remote = store.directory.appendingPathComponent("copy")
    try FileManager.default.copyItem(atPath: store.path + "/remote", toPath: remote.path)
    let copy = TestStore()
    copy.options.chunkSize = nil
    var options = RecoverOptions()
    options.remote = "dir:\(remote.path)"
    try FileManager.default.createDirectory(at: copy.directory, withIntermediateDirectories: true)
    _ = try AofManager.recover(copy.path, options)
    #expect(try copy.log().contents() == bytes)
  }

  @Test func whatWasEvictedIsNotBroughtBackToBeMerged() throws {
    let (log, bytes) = try fragmented(ChunkSize(.kibibytes(256)))
    let parts = try named(log)
    try log.evict()
    try log.append([1])
    try log.checkpoint()
    #expect(try parts.isSubset(of: named(log)))
    #expect(try store.manager().measure().totals.hydratedBytes == 0)
    // Nor when it is here again: a merger that nothing asks for would be a request more.
    try log.hydrate()
    try store.close()
    try store.log().append([2])
    try store.log().checkpoint()
    #expect(try parts.isSubset(of: named(store.log())))
    #expect(try store.log().contents() == bytes + [1, 2])
  }

  @Test func readersOnTheOldObjectsGoOn() throws {
    let (log, bytes) = try fragmented(ChunkSize(.kibibytes(256)))
    var cursor = try log.openCursor(at: 100_000)
    var buffer = [UInt8](repeating: 0, count: 50_000)
    _ = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) }
    try log.checkpoint()
    #expect(try log.objects().count == 2)
    let count = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) }
    #expect(buffer[..<count] == bytes[150_000..<(150_000 + count)])
    try log.evict()
    let more = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) }
    #expect(buffer[..<more] == bytes[(150_000 + count)..<(150_000 + count + more)])
  }

  @Test func aDamagedPartIsNotMerged() throws {
    let (log, bytes) = try fragmented(ChunkSize(.kibibytes(256)))
    let id = log.id
    let parts = try named(log)
    try store.close()
    try store.file(String(format: "chunks/%016lx/%016lx.chunk", id.rawValue, 0)).overwrite(at: 5, with: [bytes[5] ^ 1])
    let damaged = try store.log()
    try damaged.checkpoint()
    #expect(try parts.isSubset(of: named(damaged)))
    #expect(try store.manager().incidents.contains { $0.kind == .damage && $0.message.contains("cannot be merged") })
    #expect(try damaged.contents() == bytes)
  }

  /// A crash between an upload and the element that names it, and one between that and the manifest.
  @Test func whatACrashLeftIsFoundAndDeleted() throws {
    let (log, bytes) = try fragmented(ChunkSize(.kibibytes(256)))
    try log.sealTail()
    let before = try store.crashed()
    try log.checkpoint()
    try store.close()
    // The remote of the store that went on, the manifest of the one that was killed.
    try FileManager.default.removeItem(atPath: before.path + "/remote")
    try FileManager.default.copyItem(atPath: store.path + "/remote", toPath: before.path + "/remote")
    before.environment = store.environment
    let orphan = "chunks/2/0000000000000000/00000000000000000000-00000000000000000005-0-1-00000000000000aa.zst"
    let later = "chunks/2/0000000000000000/00000000000000000000-00000000000000000005-0-99-00000000000000aa.zst"
    for name in [orphan, later] {
      try #require(FileManager.default.createFile(atPath: before.path + "/remote/" + name, contents: Data([1])))
    }
    func left() throws -> Set<String> {
      Set(try FileManager.default.subpathsOfDirectory(atPath: before.path + "/remote").filter { $0.hasSuffix(".zst") })
    }
    clock.pass(Self.day)
    let revived = try before.log()
    try revived.checkpoint()
    #expect(try before.manager().measure().totals.orphanedObjects > 0)
    #expect(try left().contains(orphan))
    clock.pass(Self.day)
    try revived.checkpoint()
    // What a later epoch wrote is another writer's.
    #expect(try left() == named(revived).union([later]))
    #expect(try revived.contents() == bytes)
    try before.close()
    var options = VerifyOptions()
    options.remote = true
    let report = try AofManager.verify(before.path, options)
    #expect(report.problems.isEmpty && report.logs.allSatisfy { $0.report.problems.isEmpty })
    #expect(report.notes.contains { $0.contains(later) })
  }

  @Test func aChainGetsSnapshots() throws {
    let log = try store.log()
    for number in 0..<260 {
      try log.append([UInt8(number & 0xFF)])
      if number > 0 { try log.truncate(TruncationRequest(.head, at: log.tailLSN)) }
      try log.checkpoint()
    }
    let remote = try DirectoryStore(path: store.path + "/remote", create: false)
    let id = try store.manager().settings.storeID
    let chain = try RemoteManifestStore(remote, storeID: id, create: false)
    #expect(try chain.read(257)?.kind == .snapshot && chain.read(258)?.kind == .delta)
    #expect(try chain.survey().problems.isEmpty)
    #expect(try chain.state(knownSnapshot: 257).logs == chain.survey().state.logs)
  }
}
