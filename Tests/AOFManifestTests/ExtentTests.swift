import AOFCore
import AOFFormat
import AOFManifest
import Testing

@Suite("Extents: publishing and residency") struct ExtentTests {
  let store: TestStore
  let manifest: Manifest
  let log: LogID
  let ranges: [Range<LSN>] = [0..<131_072, 131_072..<140_000, 140_000..<262_144, 262_144..<262_145]

  init() throws {
    store = try TestStore()
    manifest = try store.create()
    log = try manifest.addTestLog("log").id
    try manifest.seal(ranges.map { extent(log, $0) }, of: log)
  }

  @Test func extentsOfAChunk() throws {
    #expect(try manifest.extents(of: log).map(\.range) == ranges)
    #expect(try manifest.extents(of: log, in: 131_072..<262_144).map(\.range) == Array(ranges[1...2]))
    #expect(try manifest.extents(of: log, in: 262_145 ..< .max).isEmpty)
    #expect(try manifest.extents(of: log, in: 0..<LSN(rawValue: .max)).count == 4)
    #expect(try manifest.extents(of: LogID(rawValue: 77)).isEmpty)
    #expect(try manifest.extents(of: log).allSatisfy { $0.residency.isFull && $0.object == nil })
  }

  private let object = StoredObject(key: "chunks/ä", size: UInt64(Int64.max), checksum: .max, frameLengths: [.max])

  /// Publishes one extent, as the log is now.
  private func publish(_ index: Int, _ object: StoredObject, sequence: UInt64) throws {
    let state = try manifest.unpublished(of: log)
    try manifest.recordPublished(
      [Publication(log: log, state: state, objects: [(try manifest.extents(of: log)[index], object)])],
      sequence: sequence)
  }

  @Test func publishing() throws {
    try publish(1, object, sequence: 3)
    #expect(try manifest.extents(of: log).map(\.object) == [nil, object, nil, nil])
    #expect(try manifest.unpublished(of: log).extents.map(\.range) == [ranges[0], ranges[2], ranges[3]])
    // The first extent has no object yet.
    #expect(try manifest.log(log)?.remote == 0)
    #expect(try manifest.remoteSequence() == 3)
    try manifest.close()
    let again = try store.open()
    #expect(try again.extents(of: log).map(\.object) == [nil, object, nil, nil])
    #expect(try again.remoteSequence() == 3)
  }

  @Test func marksNeverGoBack() throws {
    #expect(try manifest.remoteSequence() == 0)
    try manifest.recordPublished([], sequence: 5)
    try manifest.recordPublished([], sequence: 4)
    #expect(try manifest.remoteSequence() == 5)
    let old = try manifest.unpublished(of: log)
    try manifest.seal([extent(log, 262_145..<262_200)], of: log)
    let objects = try manifest.extents(of: log).enumerated().map { number, extent in
      (extent, StoredObject(key: "\(number)", size: 1, checksum: 0, frameLengths: [1]))
    }
    try manifest.recordPublished([Publication(log: log, state: manifest.unpublished(of: log), objects: objects)], sequence: 6)
    try manifest.recordPublished([Publication(log: log, state: old, objects: [])], sequence: 6)
    #expect(try manifest.log(log)?.remote == 262_200)
    #expect(try manifest.remoteSequence() == 6)
  }

  @Test func residency() throws {
    var map = Bitmap(count: 1, filled: false)
    try manifest.recordResidency([(log, 140_000..<262_144, map)])
    #expect(try manifest.extents(of: log).map(\.residency.isFull) == [true, true, false, true])
    #expect(try manifest.extents(of: log)[2].residency == map)
    try manifest.recordResidency([])
    map[0] = true
    try manifest.recordResidency([(log, 140_000..<262_144, map), (log, 262_144..<262_145, Bitmap(count: 1, filled: false))])
    #expect(try manifest.extents(of: log).map(\.residency.isFull) == [true, true, true, false])
    // A map of another size says nothing of this extent.
    try manifest.recordResidency([(log, 140_000..<262_144, Bitmap(count: 9, filled: false))])
    #expect(try manifest.extents(of: log)[2].residency == Bitmap(count: 1, filled: false))
  }
}
