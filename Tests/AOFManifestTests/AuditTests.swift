import AOFCore
import AOFFormat
import AOFManifest
import Foundation
import GRDB
import Testing

@Suite("What must be so of the rows") struct AuditTests {
  private func node(_ id: UInt64, _ kind: NodeKind, in parent: UInt64, _ name: String?) throws -> NodeRecord {
    NodeRecord(
      id: NodeID(rawValue: id), kind: kind, parent: NodeID(rawValue: parent), name: try name.map { try EntryName($0) },
      attributes: TestStore.attributes)
  }

  private func problems(_ nodes: [NodeRecord], next: UInt64 = 100) -> [String] {
    ManifestNames(nodes: nodes, trash: [], nextNode: next).problems
  }

  @Test func namesFormATree() throws {
    let root = try node(1, .directory, in: 1, nil)
    let directory = try node(2, .directory, in: 1, "d")
    #expect(problems([root, directory, try node(3, .log, in: 2, "a"), try node(4, .log, in: 1, "a")]).isEmpty)
    #expect(problems([directory]).count >= 1, "no root")
    #expect(problems([root, try node(3, .log, in: 2, "a")]).count == 1, "no parent")
    #expect(problems([root, directory, try node(3, .log, in: 2, "a"), try node(4, .log, in: 2, "a")]).count == 1)
    #expect(problems([root, try node(2, .directory, in: 3, "a"), try node(3, .directory, in: 2, "b")]).count == 2)
    #expect(problems([root, try node(2, .log, in: 1, "a"), try node(3, .log, in: 2, "b")]).count == 1)
    #expect(problems([root, directory], next: 2).count == 1)
    #expect(problems([root, try node(2, .directory, in: 1, nil)]).count == 1)
    let cycle = ManifestNames(nodes: [root, try node(2, .directory, in: 2, "a")], trash: [], nextNode: 3)
    #expect(cycle.path(of: NodeID(rawValue: 2)) == nil)
  }

  private let id = LogID(rawValue: 7)

  private func log(
    head: UInt64 = 0, remote: UInt64 = 0, sealed: UInt64 = 0, applied: UInt64? = nil
  ) -> AofDescriptorRecord {
    AofDescriptorRecord(
      id: id, chunkSize: .minimum, dataDirectory: "chunks", walDirectory: WalDirectoryID(rawValue: 1),
      head: LSN(rawValue: head), remote: LSN(rawValue: remote), sealed: LSN(rawValue: sealed),
      applied: LSN(rawValue: applied ?? sealed))
  }

  private func extent(_ first: UInt64, _ end: UInt64, epoch: UInt64? = nil) -> AofChunkRecord {
    let range = LSN(rawValue: first)..<LSN(rawValue: end)
    let chunk = ChunkSize.minimum.chunkID(for: range.lowerBound)
    let key = epoch.map {
      ObjectKey(log: id, chunk: chunk, range: range, generation: .first, epoch: $0, random: 1).text
    }
    return AofChunkRecord(
      log: id, chunk: chunk, range: range, generation: .first,
      frames: [FrameRecord(length: UInt32(end - first), checksum: 0, time: UnixTime(rawValue: 0))],
      sealedAt: UnixTime(rawValue: 0),
      object: key.map {
        StoredObject(
          key: $0, size: 10 + UInt64(RemoteFormat.trailerSize(frameCount: 1)), checksum: 0, frameLengths: [10])
      })
  }

  @Test func marksAreInOrderAndExtentsFollowEachOther() {
    func count(_ log: AofDescriptorRecord, _ extents: [AofChunkRecord]) -> Int {
      LogAudit(log, extents, epoch: 5).problems.count
    }
    #expect(count(log(), []) == 0)
    #expect(count(log(remote: 50, sealed: 100), [extent(0, 50, epoch: 5), extent(50, 100)]) == 0)
    #expect(count(log(head: 60, sealed: 100), [extent(50, 100)]) == 0)
    #expect(count(log(head: 100, sealed: 100), []) == 0)
    #expect(count(log(sealed: 100), [extent(0, 40), extent(50, 100)]) == 1, "a gap")
    #expect(count(log(sealed: 100), [extent(0, 60), extent(50, 100)]) == 1, "an overlap")
    #expect(count(log(sealed: 100), [extent(0, 90)]) == 1, "too short")
    #expect(count(log(sealed: 90), [extent(0, 100)]) == 1, "too long")
    #expect(count(log(remote: 100, sealed: 100), [extent(0, 100)]) == 1, "published, and nowhere")
    #expect(count(log(remote: 200, sealed: 100), [extent(0, 100, epoch: 1)]) == 1, "remote past sealed")
    #expect(count(log(sealed: 100), [extent(0, 100, epoch: 6)]) == 1, "an object of a later epoch")
    #expect(count(log(sealed: 100, applied: 90), [extent(0, 100)]) >= 1, "sealed past applied")
  }
}

@Suite("Reading what is left of a manifest") struct SurveyTests {
  let store: TestStore

  init() throws { store = try TestStore() }

  private func make(logs: Int) throws {
    let manifest = try store.create()
    for index in 0..<logs { _ = try manifest.addTestLog("log-\(index)") }
    try manifest.close()
  }

  @Test func aSoundOneIsReadWholeAndStaysAsItIs() throws {
    try make(logs: 20)
    let before = store.bytes
    let survey = try Manifest.openCopy(of: store.path).survey()
    #expect(survey.problems.isEmpty && survey.logs.count == 20 && survey.nodes.count == 21)
    #expect(survey.settings == TestStore.settings)
    #expect(survey.names.problems.isEmpty)
    #expect(survey.names.problems(with: survey.logs, survey.walDirectories).isEmpty)
    #expect(store.bytes == before && store.names == ["manifest.sqlite"])
  }

  @Test func oneBadRowHidesNoOther() throws {
    try make(logs: 20)
    let database = try DatabaseQueue(path: store.path)
    try database.write { try $0.execute(sql: "UPDATE logs SET chunk_size = 7 WHERE id = 5") }
    try database.close()
    let survey = try Manifest.openCopy(of: store.path).survey()
    #expect(survey.logs.count == 19 && survey.problems.count == 1)
  }

  /// Whatever page is lost, the rows of the others are found.
  @Test func oneBadPageHidesOnlyItsOwnRows() throws {
    try make(logs: 400)
    let whole = store.bytes
    let pages = whole.count / 4096
    var found: [Int] = []
    for page in stride(from: 1, to: pages, by: 2) {
      var bytes = whole
      for offset in (page * 4096)..<((page + 1) * 4096) { bytes[offset] = 0xAA }
      store.bytes = bytes
      let copy = try Manifest.openCopy(of: store.path, damaged: true)
      found.append(copy.survey().logs.count)
      var problems: [String]?
      let error = failure { () throws(AofError) in problems = try copy.integrityProblems() }
      #expect(problems?.isEmpty == false || error?.code == .corrupt, "page \(page)")
    }
    #expect(found.filter { $0 >= 300 }.count > found.count / 2, "\(found)")
  }

  @Test func theCheckBesideFindsDamageAndCanBeCancelled() throws {
    let manifest = try store.create()
    for index in 0..<5 { _ = try manifest.addTestLog("log-\(index)") }
    #expect(try ManifestCheck(store.path).run() == [])
    let cancelled = ManifestCheck(store.path)
    cancelled.cancel()
    #expect(try cancelled.run() == nil)
    try manifest.close()
    var configuration = Configuration()
    configuration.foreignKeysEnabled = false
    let database = try DatabaseQueue(path: store.path, configuration: configuration)
    try database.write { try $0.execute(sql: "DELETE FROM wal_directories WHERE id = 2") }
    try database.close()
    let again = try store.open()
    #expect(try ManifestCheck(store.path).run()?.count == 1)
    #expect(try again.integrityProblems().count == 1)
  }
}
