import AOFCore
import AOFFormat
import AOFManifest
import Testing

@Suite("Logs: applying and sealing") struct LogTests {
  let store: TestStore
  let manifest: Manifest
  let log: AofDescriptorRecord

  init() throws {
    store = try TestStore()
    manifest = try store.create()
    log = try manifest.addTestLog("log")
  }

  private var current: AofDescriptorRecord {
    get throws { try #require(try manifest.log(log.id)) }
  }

  private func modified() throws -> Int64? {
    try manifest.nodes().first { $0.id == log.id }?.attributes.modificationTime.rawValue
  }

  @Test func roundTrip() throws {
    let id = try manifest.freeID()
    let wal = try manifest.addWalDirectory("/else where/wäl")
    let other = AofDescriptorRecord(
      id: id, chunkSize: try ChunkSize(.gibibytes(4)), dataDirectory: "/data", walDirectory: wal.id,
      generation: Generation(rawValue: .max), generationStart: 6, head: 1, remote: 4, sealed: 5, applied: .max,
      appliedFrames: [], failure: "it failed")
    // Frames that reach the largest LSN would not fit memory; this log is applied a little past its seal.
    var record = other
    record.applied = 200_000
    record.appliedFrames = frames(5..<200_000)
    try manifest.addLog(
      NodeRecord(id: id, kind: .log, parent: .root, name: EntryName("other"), attributes: TestStore.attributes), record)
    #expect(try manifest.logs() == [log, record])
    #expect(try manifest.walDirectories().last == WalDirectoryRecord(id: wal.id, path: "/else where/wäl", firstSequence: 1))
    #expect(code { () throws(AofError) in _ = try manifest.addWalDirectory("/else where/wäl") } == .alreadyExists)
    try manifest.close()
    #expect(try store.open().logs() == [log, record])
  }

  @Test func aLogNeedsItsName() throws {
    let id = try manifest.freeID()
    let node = NodeRecord(
      id: id, kind: .log, parent: .root, name: try EntryName("log"), attributes: TestStore.attributes)
    let record = AofDescriptorRecord(id: id, chunkSize: .minimum, dataDirectory: "", walDirectory: log.walDirectory)
    #expect(code { () throws(AofError) in try manifest.addLog(node, record) } == .alreadyExists)
    #expect(try manifest.logs() == [log] && manifest.nodes().count == 2)
  }

  @Test func applying() throws {
    var next = progress(log, applied: 300_000, failure: "why", time: 40)
    try manifest.recordApplied([next], firstSequences: [log.walDirectory: 7])
    #expect(try current.applied == 300_000 && current.sealed == .zero)
    #expect(try current.appliedFrames == frames(0..<300_000) && current.failure == "why")
    #expect(try manifest.walDirectories().map(\.firstSequence) == [7])
    #expect(try modified() == 40)
    // The segment that counts never goes back; a time that was set by hand, which moved ctime, holds until later appends.
    next = progress(log, applied: 300_001, time: 6)
    try manifest.recordApplied([next], firstSequences: [log.walDirectory: 6])
    #expect(try manifest.walDirectories().map(\.firstSequence) == [7])
    #expect(try modified() == 40)
    #expect(try current.applied == 300_001 && current.failure == nil)
  }

  @Test func applyingIsAllOrNothing() throws {
    let other = try manifest.addTestLog("other")
    try manifest.seal([extent(other.id, 0..<10)], of: other.id)
    let before = (try manifest.logs(), try manifest.nodes(), try manifest.walDirectories())
    // The second log was sealed meanwhile, so the first is not recorded either, nor are segments let go.
    let stale = [progress(log, applied: 50, time: 99), progress(other, sealed: .zero, applied: 50)]
    let error = failure { () throws(AofError) in
      try manifest.recordApplied(stale, firstSequences: [log.walDirectory: 9, other.walDirectory: 9])
    }
    #expect(error?.code == .busy)
    #expect(try manifest.logs() == before.0)
    #expect(try manifest.nodes() == before.1)
    #expect(try manifest.walDirectories() == before.2)
  }

  @Test func sealing() throws {
    let chunk = Limits.frameSize
    try manifest.recordApplied([progress(log, applied: 1000)], firstSequences: [:])
    let end = LSN(rawValue: UInt64(chunk) + 77)
    let extents = [
      extent(log.id, 0..<LSN(rawValue: UInt64(chunk))), extent(log.id, LSN(rawValue: UInt64(chunk))..<end),
    ]
    try manifest.seal(extents, of: log.id, time: 60)
    #expect(try current.sealed == end && current.applied == end && current.appliedFrames.isEmpty)
    #expect(try manifest.extents(of: log.id) == extents)
    #expect(try modified() == 60)
    try manifest.seal([], of: log.id, time: 99)
    #expect(try modified() == 60, "an empty seal is none")
  }

  @Test("What was applied past a seal stays applied") func sealingBelowTheAppliedMark() throws {
    let boundary = LSN(rawValue: UInt64(Limits.frameSize))
    let applied = boundary + Limits.frameSize + 500
    try manifest.recordApplied([progress(log, applied: applied)], firstSequences: [log.walDirectory: 5])
    // The WAL before segment 5 is gone, so the bytes past the seal are nowhere but in the chunk files.
    #expect(code { () throws(AofError) in try manifest.seal([extent(log.id, 0..<boundary)], of: log.id) } == .busy)
    #expect(try current.sealed == .zero && manifest.extents(of: log.id).isEmpty)
    try manifest.recordSeal(
      [extent(log.id, 0..<boundary)], of: log.id, applied: applied, appliedFrames: frames(boundary..<applied),
      modificationTime: UnixTime(rawValue: 1))
    #expect(try current.sealed == boundary && current.applied == applied)
    #expect(try current.appliedFrames == frames(boundary..<applied))
    try manifest.close()
    #expect(try store.open().log(log.id)?.applied == applied)
  }

  @Test func sealsGoOnWithoutAGap() throws {
    func seal(_ ranges: [Range<LSN>]) -> AofError.Code? {
      code { () throws(AofError) in
        try manifest.seal(ranges.map { extent(log.id, $0) }, of: log.id)
      }
    }
    #expect(seal([1..<10]) == .busy)
    #expect(seal([0..<10, 11..<20]) == .busy)
    #expect(seal([0..<10, 5..<20]) == .busy)
    #expect(try current == log && manifest.extents(of: log.id).isEmpty)
    #expect(seal([0..<10]) == nil)
    #expect(seal([0..<10]) == .busy, "nothing is sealed twice")
    #expect(seal([10..<20]) == nil)
    #expect(try manifest.extents(of: log.id).map(\.range) == [0..<10, 10..<20])
    let missing = code { () throws(AofError) in
      try manifest.seal([extent(LogID(rawValue: 99), 0..<1)], of: LogID(rawValue: 99))
    }
    #expect(missing == .notFound)
  }
}
