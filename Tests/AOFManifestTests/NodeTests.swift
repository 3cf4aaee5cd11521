import AOFCore
import AOFManifest
import Testing

@Suite("Names, attributes and ids") struct NodeTests {
  let store: TestStore
  let manifest: Manifest

  init() throws {
    store = try TestStore()
    manifest = try store.create()
  }

  private func add(_ name: [UInt8], in parent: NodeID = .root) throws(AofError) -> NodeRecord {
    let node = NodeRecord(
      id: try manifest.freeID(), kind: .directory, parent: parent, name: try EntryName(name),
      attributes: TestStore.attributes)
    try manifest.addDirectory(node)
    return node
  }

  @Test func namesOfAnyBytes() throws {
    var nodes = [TestStore.root]
    for byte in UInt8(1) ... .max where byte != UInt8(ascii: "/") { nodes.append(try add([byte, 0xFF, byte])) }
    nodes.append(try add([UInt8](repeating: 0xFE, count: 255)))
    // As bytes, these differ; as text they would not.
    nodes.append(try add(Array("\u{E9}".utf8)))
    nodes.append(try add(Array("e\u{301}".utf8)))
    nodes.append(try add(Array("A".utf8)))
    nodes.append(try add(Array("a".utf8)))
    #expect(try manifest.nodes() == nodes)
    try manifest.close()
    #expect(try store.open().nodes() == nodes)
  }

  @Test func aNameIsTakenOnce() throws {
    let first = try add([97])
    #expect(code { () throws(AofError) in _ = try add([97]) } == .alreadyExists)
    _ = try add([97], in: first.id)
    #expect(try manifest.nodes().count == 3)
  }

  @Test func moving() throws {
    let (a, b) = (try add([97]), try add([98]))
    let c = try add([99], in: a.id)
    try manifest.move(c.id, to: EntryName("b"), in: .root, replacing: .directory(b.id))
    var moved = c
    moved.parent = .root
    moved.name = b.name
    #expect(try manifest.nodes() == [TestStore.root, a, moved])
    // A name that is taken and not replaced changes nothing.
    #expect(code { () throws(AofError) in try manifest.move(c.id, to: EntryName("a"), in: .root, replacing: nil) } == .alreadyExists)
    #expect(try manifest.nodes() == [TestStore.root, a, moved])
  }

  @Test func attributesOfSeveral() throws {
    var (a, b) = (try add([97]), try add([98]))
    a.attributes = NodeAttributes(mode: 0, userID: 0, groupID: .max, now: UnixTime(rawValue: .min))
    b.attributes.mode = 0o7777
    try manifest.setAttributes([a.id: a.attributes, b.id: b.attributes])
    #expect(try manifest.nodes() == [TestStore.root, a, b])
    try manifest.setAttributes(TestStore.attributes, of: a.id)
    #expect(try manifest.nodes()[1].attributes == TestStore.attributes)
  }

  @Test func removingTakesDirectoriesOnly() throws {
    let directory = try add([97])
    let log = try manifest.addTestLog("log")
    try manifest.removeDirectory(directory.id)
    try manifest.removeDirectory(log.id)
    #expect(try manifest.nodes().map(\.id) == [.root, log.id])
  }

  /// What the remote's manifest is to be told of.
  private var news: [NodeID] { get throws { try manifest.changedDirectories().map(\.id) } }

  private func publish() throws {
    var publications: [Publication] = []
    for log in try manifest.staleLogs() {
      publications.append(Publication(log: log, state: try manifest.unpublished(of: log), remote: .zero))
    }
    try manifest.recordPublished(publications, directories: manifest.changedDirectories(), sequence: 1)
    #expect(try news.isEmpty && manifest.staleLogs().isEmpty && !manifest.hasUnpublishedNames())
  }

  @Test func eachChangeIsNewsForTheRemote() throws {
    let (a, b) = (try add([97]), try add([98]))
    let (c, log) = (try add([99], in: a.id), try manifest.addTestLog("log"))
    #expect(try news == [a.id, b.id, c.id] && manifest.staleLogs() == [log.id] && manifest.hasUnpublishedNames())
    try publish()
    try manifest.setAttributes([b.id: a.attributes, log.id: a.attributes])
    #expect(try news == [b.id] && manifest.staleLogs() == [log.id])
    try publish()
    try manifest.move(log.id, to: EntryName("log"), in: c.id, replacing: nil)
    #expect(try news.isEmpty && manifest.staleLogs() == [log.id])
    try publish()
    // With all below it, and with what it takes the place of.
    try manifest.move(a.id, to: EntryName("b"), in: .root, replacing: .directory(b.id))
    #expect(try news == [a.id, b.id, c.id] && manifest.staleLogs() == [log.id])
    try publish()
    try manifest.move(log.id, to: EntryName("log"), in: .root, replacing: nil)
    try manifest.removeDirectory(c.id)
    try manifest.removeDirectory(log.id)
    #expect(try news == [c.id])
    try publish()
  }

  @Test func whatChangesWhileItIsPublishedIsNewsStill() throws {
    let (a, b) = (try add([97]), try add([98]))
    let told = try manifest.changedDirectories()
    try manifest.setAttributes(TestStore.attributes, of: b.id)
    try manifest.recordPublished([], directories: told, sequence: 1)
    #expect(try news == [b.id])
    try manifest.removeDirectory(a.id)
    #expect(try news == [a.id, b.id])
  }

  @Test func idsAreNeverUsedTwice() throws {
    var seen: Set<NodeID> = [.root]
    for _ in 0..<3 {
      let manifest = try seen.count == 1 ? manifest : store.open()
      for _ in 0..<5 {
        let id = try manifest.freeID()
        #expect(seen.insert(id).inserted)
        try manifest.addDirectory(node(id))
        // A removed node's id does not come back, nor one that was passed over.
        try manifest.removeDirectory(id)
        #expect(code { () throws(AofError) in try manifest.addDirectory(node(id)) } == .corrupt)
        seen.insert(NodeID(rawValue: id.rawValue + 1))
        try manifest.addDirectory(node(NodeID(rawValue: id.rawValue + 2)))
        seen.insert(NodeID(rawValue: id.rawValue + 2))
      }
      try manifest.close()
    }
    #expect(seen.count == 46)
  }

  private func node(_ id: NodeID) throws(AofError) -> NodeRecord {
    NodeRecord(id: id, kind: .directory, parent: .root, name: try EntryName("\(id)"), attributes: TestStore.attributes)
  }

  @Test func epochsGrow() throws {
    #expect(try manifest.beginEpoch() == 1)
    #expect(try manifest.beginEpoch() == 2)
    try manifest.close()
    #expect(try store.open().beginEpoch() == 3)
  }
}
