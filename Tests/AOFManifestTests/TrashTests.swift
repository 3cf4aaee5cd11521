import AOFCore
import AOFManifest
import Testing

@Suite("Logs in the trash") struct TrashTests {
  let store: TestStore
  let manifest: Manifest
  let log: LogID

  init() throws {
    store = try TestStore()
    manifest = try store.create()
    log = try manifest.addTestLog("log").id
    try manifest.seal([extent(log, 0..<131_072), extent(log, 131_072..<262_144)], of: log)
  }

  private func record(_ log: LogID, _ path: String, at time: Int64 = 7) throws -> TrashRecord {
    TrashRecord(log: log, path: try LogPath(path), deletedAt: UnixTime(rawValue: time))
  }

  private var names: ManifestNames {
    get throws { ManifestNames(nodes: try manifest.nodes(), trash: try manifest.trash(), nextNode: try manifest.nextNodeID()) }
  }

  private func publish(_ log: LogID, sequence: UInt64) throws {
    let state = try manifest.unpublished(of: log)
    let objects = state.extents.map { extent in
      (
        extent: extent,
        object: StoredObject(
          key: "object-\(log)-\(extent.range.lowerBound)", size: 1, checksum: 2, frameLengths: extent.frames.map { _ in 3 })
      )
    }
    try manifest.recordPublished([Publication(log: log, state: state, objects: objects)], sequence: sequence)
  }

  @Test func thereAndBack() throws {
    try publish(log, sequence: 1)
    #expect(try !manifest.unpublished(of: log).isStale)
    let record = try record(log, "d/log")
    try manifest.moveToTrash(record)
    #expect(try manifest.trash() == [record])
    let node = try #require(try manifest.nodes().first { $0.id == log })
    #expect(node.isInTrash && node.name == nil && node.attributes == TestStore.attributes)
    #expect(try names.problems.isEmpty && names.path(of: log) == nil && names.oldPath(of: log) == record.path)
    // The remote is to be told, and the name is free.
    #expect(try manifest.unpublished(of: log).isStale)
    let other = try manifest.addTestLog("log").id
    #expect(code { () throws(AofError) in try manifest.restore(log, as: EntryName("log"), in: .root) } == .alreadyExists)
    #expect(try manifest.trash() == [record])
    try manifest.restore(log, as: EntryName("back"), in: .root)
    #expect(try manifest.trash().isEmpty && names.problems.isEmpty && names.path(of: log) == LogPath("back"))
    #expect(code { () throws(AofError) in try manifest.restore(other, as: EntryName("x"), in: .root) } == .notFound)
  }

  @Test func aRenameDiscardsWhatItReplaces() throws {
    let other = try manifest.addTestLog("other").id
    try manifest.move(other, to: EntryName("log"), in: .root, replacing: .log(try record(log, "log")))
    #expect(try names.path(of: other) == LogPath("log") && manifest.trash().map(\.log) == [log])
    // Two nameless nodes do not stand in each other's way.
    let third = try manifest.addTestLog("third").id
    try manifest.move(third, to: EntryName("log"), in: .root, replacing: .log(try record(other, "log")))
    #expect(try manifest.trash().map(\.log) == [log, other] && names.problems.isEmpty)
  }

  @Test func aChangeWhileAnElementIsPublishedIsNews() throws {
    let before = try manifest.unpublished(of: log)
    try manifest.moveToTrash(try record(log, "log"))
    try manifest.recordPublished([Publication(log: log, state: before, objects: [])], sequence: 1)
    #expect(try manifest.unpublished(of: log).isStale)
    let state = try manifest.unpublished(of: log)
    try manifest.recordPublished([Publication(log: log, state: state, objects: [])], sequence: 2)
    #expect(try !manifest.unpublished(of: log).isStale)
  }

  @Test func purgingForgetsALogInSteps() throws {
    try publish(log, sequence: 1)
    #expect(code { () throws(AofError) in try manifest.purge([log]) } == .notFound)
    try manifest.moveToTrash(try record(log, "log"))
    try manifest.purge([log])
    #expect(try manifest.logs().isEmpty && manifest.trash().isEmpty && manifest.nodes().map(\.id) == [.root])
    #expect(try manifest.purgedLogs() == [PurgedLog(log: log, dataDirectory: "chunks", isPublished: false)])
    #expect(try manifest.deletableObjects().isEmpty && manifest.droppedObjects(of: [log]).count == 2)
    #expect(try manifest.integrityProblems().isEmpty)
    // In either order: the files, and the remote's manifest.
    try manifest.recordFilesRemoved(of: [log])
    #expect(try manifest.purgedLogs() == [PurgedLog(log: log, dataDirectory: nil, isPublished: false)])
    try manifest.recordPublished([], removed: [log], sequence: 2)
    #expect(try manifest.purgedLogs().isEmpty && manifest.deletableObjects().count == 2)
    // The id is not used again.
    #expect(try manifest.addTestLog("log").id > log)
  }

  @Test func whatIsPublishedOfAPurgedLogIsDroppedInItsTurn() throws {
    let state = try manifest.unpublished(of: log)
    try manifest.moveToTrash(try record(log, "log"))
    try manifest.purge([log])
    let object = StoredObject(key: "late", size: 1, checksum: 2, frameLengths: [3])
    try manifest.recordPublished(
      [Publication(log: log, state: state, objects: [(state.extents[0], object)])], sequence: 1)
    #expect(try manifest.deletableObjects().isEmpty && manifest.droppedObjects(of: [log]) == ["late"])
    try manifest.recordPublished([], removed: [log], sequence: 2)
    #expect(try manifest.deletableObjects() == ["late"])
    #expect(try manifest.purgedLogs().map(\.isPublished) == [true])
    try manifest.recordFilesRemoved(of: [log])
    #expect(try manifest.purgedLogs().isEmpty)
  }

  @Test func aTrashThatDoesNotAddUpIsReported() throws {
    let node = NodeRecord(id: log, kind: .log, parent: .trash, name: nil, attributes: TestStore.attributes)
    func problems(_ nodes: [NodeRecord], _ trash: [TrashRecord]) -> [String] {
      ManifestNames(nodes: [TestStore.root] + nodes, trash: trash, nextNode: 99).problems
    }
    #expect(problems([node], [try record(log, "a")]).isEmpty)
    #expect(problems([node], []).count == 1)
    #expect(problems([], [try record(log, "a")]).count == 1)
    let directory = NodeRecord(id: NodeID(rawValue: 3), kind: .directory, parent: .trash, name: nil, attributes: TestStore.attributes)
    #expect(problems([directory], [try record(NodeID(rawValue: 3), "a")]).count == 1)
    let named = NodeRecord(id: log, kind: .log, parent: .trash, name: try EntryName("a"), attributes: TestStore.attributes)
    #expect(problems([named], [try record(log, "a")]).count == 1)
  }
}
