import AOFCore
import AOFManifest
import Testing

@Suite("Trimming and cutting logs") struct TruncationTests {
  let store: TestStore
  let manifest: Manifest
  let log: LogID
  let ranges: [Range<LSN>] = [0..<131_072, 131_072..<262_144, 262_144..<400_000]

  init() throws {
    store = try TestStore()
    manifest = try store.create()
    log = try manifest.addTestLog("log", chunkSize: ChunkSize(.mebibytes(1))).id
    try manifest.seal(ranges.map { extent(log, $0) }, of: log)
  }

  private func publish(_ indices: Range<Int>, sequence: UInt64 = 1) throws {
    let state = try manifest.unpublished(of: log)
    let objects = indices.map { index in
      let frames = state.extents[index].frames.count
      return (
        extent: state.extents[index],
        object: StoredObject(
          key: "object-\(index)", size: 1, checksum: 2, frameLengths: Array(repeating: 3, count: frames))
      )
    }
    try manifest.recordPublished([Publication(log: log, state: state, objects: objects)], sequence: sequence)
  }

  private func cut(at lsn: LSN, checksum: UInt32? = nil, generation: UInt32 = 1) throws(AofError)
    -> (split: AofChunkRecord?, remote: LSN)
  {
    try manifest.recordCut(
      of: log, at: lsn, generation: Generation(rawValue: generation), checksum: checksum, time: UnixTime(rawValue: 9))
  }

  @Test func trimmingDropsWholeExtentsAndFrames() throws {
    let kept = try manifest.recordTrim(of: log, to: 397_312)
    // The frame of 393,216 holds the head, and begins what is left of its extent.
    #expect(kept?.range == 393_216..<400_000)
    #expect(try manifest.extents(of: log) == [kept].compactMap { $0 })
    let record = try manifest.log(log)
    #expect(record?.head == 397_312 && record?.remote == 397_312 && record?.sealed == 400_000)
    #expect(try manifest.unpublished(of: log).droppedObjects.isEmpty)
    #expect(try manifest.unpublished(of: log).isStale)
    for lsn in [397_312, 393_216, 401_408] as [LSN] {
      #expect(code { () throws(AofError) in _ = try manifest.recordTrim(of: log, to: lsn) } == .busy)
    }
  }

  @Test func anExtentWithAnObjectStaysWhole() throws {
    try publish(0..<3)
    let kept = try manifest.recordTrim(of: log, to: 397_312)
    #expect(kept?.range == ranges[2] && kept?.object?.key == "object-2")
    #expect(kept?.residency.bytes == [0b10])
    #expect(try manifest.extents(of: log) == [kept].compactMap { $0 })
    #expect(try manifest.unpublished(of: log).droppedObjects == ["object-0", "object-1"])
  }

  @Test func cuttingBeginsAGeneration() throws {
    try publish(0..<3)
    let (split, remote) = try cut(at: 200_000, checksum: 77)
    #expect(split?.range == 131_072..<200_000 && split?.object == nil && split?.generation == .first)
    #expect(split?.frames.map(\.checksum) == [77] && split?.frames.map(\.length) == [68_928])
    #expect(remote == 131_072)
    #expect(try manifest.extents(of: log).map(\.range) == [ranges[0], 131_072..<200_000])
    let record = try manifest.log(log)
    #expect(record?.generation == Generation(rawValue: 1) && record?.generationStart == 200_000)
    #expect(record?.sealed == 200_000 && record?.applied == 200_000 && record?.remote == 131_072)
    #expect(try manifest.unpublished(of: log).droppedObjects == ["object-1", "object-2"])
    #expect(code { () throws(AofError) in _ = try cut(at: 1, checksum: 1) } == .busy)
    #expect(code { () throws(AofError) in _ = try cut(at: 200_001, checksum: 1, generation: 2) } == .busy)
    #expect(code { () throws(AofError) in _ = try cut(at: 100_000, generation: 2) } == .invalidArgument)
    #expect(try manifest.extents(of: log).count == 2)
  }

  @Test func cuttingWithinTheExtentOfTheHead() throws {
    try publish(0..<3)
    _ = try manifest.recordTrim(of: log, to: 397_312)
    let (split, remote) = try cut(at: 399_000, checksum: 5)
    #expect(split?.range == 393_216..<399_000)
    #expect(remote == 397_312)
    #expect(try cut(at: 397_312, checksum: 6, generation: 2).split?.range == 393_216..<397_312)
    #expect(code { () throws(AofError) in _ = try cut(at: 397_311, checksum: 6, generation: 3) } == .busy)
  }

  @Test func whatIsPublishedAfterACutIsDroppedInItsTurn() throws {
    let old = try manifest.unpublished(of: log)
    _ = try cut(at: 131_072)
    let object = StoredObject(key: "late", size: 1, checksum: 2, frameLengths: [3])
    try manifest.recordPublished(
      [Publication(log: log, state: old, objects: [(old.extents[0], object), (old.extents[1], object)])], sequence: 4)
    let state = try manifest.unpublished(of: log)
    // The first extent is still the log's; of the second the object is no more needed. The mark waits for the next one.
    #expect(state.extents.isEmpty && state.droppedObjects == ["late"] && state.isStale)
    #expect(try manifest.log(log)?.remote == 0)
    try manifest.recordPublished([Publication(log: log, state: state, objects: [])], sequence: 5)
    #expect(try !manifest.unpublished(of: log).isStale)
    #expect(try manifest.log(log)?.remote == 131_072)
    #expect(try manifest.deletableObjects() == ["late"])
    try manifest.recordDeleted(["late"])
    #expect(try manifest.deletableObjects().isEmpty)
  }
}
