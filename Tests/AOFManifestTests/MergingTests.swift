import AOFCore
import AOFFormat
import AOFManifest
import Testing

@Suite("Extents: merging") struct MergingTests {
  let store: TestStore
  let manifest: Manifest
  let log: LogID
  let ranges: [Range<LSN>] = [0..<1000, 1000..<140_000, 140_000..<262_144]

  init() throws {
    store = try TestStore()
    manifest = try store.create()
    log = try manifest.addTestLog("log").id
    // All in one chunk.
    try manifest.seal(
      ranges.map {
        AofChunkRecord(
          log: log, chunk: ChunkID(rawValue: 0), range: $0, generation: .first, frames: frames($0),
          sealedAt: UnixTime(rawValue: 3))
      }, of: log)
  }

  private func object(_ key: String, frames: Int) -> StoredObject {
    StoredObject(key: key, size: 100, checksum: 1, frameLengths: .init(repeating: 5, count: frames))
  }

  private func merger() throws -> NewObject {
    let parts = try manifest.extents(of: log)
    let extent = try #require(AofChunkRecord.merged(parts))
    return NewObject(extent: extent, parts: parts, object: object("merged", frames: extent.frames.count))
  }

  private func publish(_ index: Int, as key: String) throws {
    let state = try manifest.unpublished(of: log)
    let extent = try manifest.extents(of: log)[index]
    try manifest.recordPublished(
      [Publication(log: log, state: state, objects: [(extent, object(key, frames: extent.frames.count))])], sequence: 1)
  }

  @Test func framesOfOneCellBecomeOne() throws {
    var parts = try manifest.extents(of: log)
    let whole = try #require(AofChunkRecord.merged(parts))
    #expect(whole.range == 0..<262_144 && whole.frames.map(\.length) == [131_072, 131_072])
    #expect(whole.residency.isFull && whole.frames[0].time == parts[0].frames[0].time)
    // The second part has the rest of the first cell and the beginning of the second one.
    #expect(parts[1].frames.count == 2)
    try manifest.recordResidency([(log, ranges[2], Bitmap(count: 1, filled: false))])
    parts = try manifest.extents(of: log)
    #expect(AofChunkRecord.merged(parts)?.residency.bytes == [1])
    #expect(AofChunkRecord.merged([parts[0], parts[2]]) == nil && AofChunkRecord.merged([]) == nil)
  }

  @Test func aMergerTakesThePlaceOfItsParts() throws {
    try publish(0, as: "part-0")
    try publish(1, as: "part-1")
    let merger = try merger()
    #expect(merger.replaced == ["part-0", "part-1"])
    let recorded = try #require(try manifest.recordMerger(merger, at: UnixTime(rawValue: 50)))
    #expect(try manifest.extents(of: log) == [recorded] && recorded.object?.key == "merged")
    #expect(try manifest.unpublished(of: log).droppedObjects.isEmpty)
    #expect(try manifest.deletableObjects(unnamedSince: UnixTime(rawValue: 49), limit: 100).isEmpty)
    #expect(try manifest.deletableObjects(unnamedSince: UnixTime(rawValue: 50), limit: 100) == ["part-0", "part-1"])
  }

  @Test func partsThatChangedStay() throws {
    try publish(0, as: "part-0")
    let merger = try merger()
    _ = try manifest.recordCut(of: log, at: 140_000, generation: Generation(rawValue: 1), checksum: nil, time: UnixTime(rawValue: 1))
    #expect(try manifest.recordMerger(merger, at: UnixTime(rawValue: 50)) == nil)
    #expect(try manifest.extents(of: log).map(\.range) == Array(ranges[0...1]))
    #expect(try manifest.extents(of: log)[0].object?.key == "part-0")
    #expect(try manifest.unpublished(of: log).droppedObjects == ["merged"])
  }

  @Test func fullChunksWithResidentPartsAreFound() throws {
    let chunk = try manifest.extents(of: log)[0].chunk
    let next = ChunkID(rawValue: chunk.rawValue + 1)
    #expect(try manifest.chunksToMerge(of: log, ChunkID(rawValue: 0)..<next, .minimum) == [chunk])
    #expect(try manifest.chunksToMerge(of: log, ChunkID(rawValue: 0)..<chunk, .minimum).isEmpty)
    try manifest.recordResidency(ranges[1...].map { (log, $0, Bitmap(count: $0 == ranges[1] ? 2 : 1, filled: false)) })
    #expect(try manifest.chunksToMerge(of: log, ChunkID(rawValue: 0)..<next, .minimum).isEmpty)
  }

  @Test func orphansAreKnownOnce() throws {
    try publish(0, as: "part-0")
    let keys = [(key: "part-0", log: log, first: LSN.zero), (key: "lost", log: log, first: LSN.zero)]
    #expect(try manifest.unknownObjects(keys) == ["lost"])
    try manifest.recordOrphans([("lost", log)], at: UnixTime(rawValue: 9))
    #expect(try manifest.unknownObjects(keys).isEmpty)
    #expect(try manifest.deletableObjects(unnamedSince: UnixTime(rawValue: 9), limit: 100) == ["lost"])
    #expect(try manifest.lastSweep() == UnixTime(rawValue: 0))
    try manifest.recordSweep(at: UnixTime(rawValue: 12))
    #expect(try manifest.lastSweep() == UnixTime(rawValue: 12))
  }

  @Test func aSnapshotHasEveryLogWithItsObjects() throws {
    try publish(1, as: "part-1")
    let published = try manifest.publishedLogs()
    #expect(published.map(\.log) == [log] && published[0].objects.map(\.key) == ["part-1"])
    #expect(published[0].objects[0].frameCount == 2 && published[0].state.extents.isEmpty)
    #expect(try manifest.countPublished() == 2)
  }
}
