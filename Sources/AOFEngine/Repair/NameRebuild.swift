import AOFCore
import AOFManifest
import AOFFormat

/// Puts logs and directories back under their names, or into the trash: as the old manifest has them first, then as the
/// remote does, which may be older; a log that neither has, or whose name is taken, goes to `recovered/<id>`.
struct NameRebuild {
  private(set) var nodes: [NodeID: NodeRecord] = [:]
  private(set) var trash: [TrashRecord] = []
  private(set) var nextNode: UInt64
  private var children: [NodeID: [EntryName: NodeID]] = [:]
  private let now: UnixTime
  private let owner: (user: UInt32, group: UInt32)

  static let directory = "recovered"

  /// - Parameter nextNode: above every id that was ever used.
  init(nextNode: UInt64, now: UnixTime, owner: (user: UInt32, group: UInt32), root: NodeAttributes?) {
    self.nextNode = nextNode
    self.now = now
    self.owner = owner
    let attributes =
      root ?? NodeAttributes(mode: 0o755, userID: owner.user, groupID: owner.group, now: now)
    nodes[.root] = NodeRecord(id: .root, kind: .directory, parent: .root, name: nil, attributes: attributes)
  }

  /// Adds a directory under its own id, unless there is one at that path. Those above it come first.
  mutating func addDirectory(_ id: NodeID, _ path: LogPath, _ attributes: NodeAttributes) throws(AofError) {
    guard let name = path.names.last, nodes[id] == nil else { return }
    guard let parent = try directory(path.names.dropLast()), children[parent]?[name] == nil else { return }
    insert(NodeRecord(id: id, kind: .directory, parent: parent, name: name, attributes: attributes))
  }

  /// Adds a log. - Returns: the path that it got.
  mutating func addLog(_ id: LogID, _ wanted: LogPath?, _ attributes: NodeAttributes?) throws(AofError) -> LogPath {
    let attributes =
      attributes ?? NodeAttributes(mode: 0o640, userID: owner.user, groupID: owner.group, now: now)
    var paths = wanted.map { [$0] } ?? []
    // Whatever else has been called so before: another number follows.
    for number in 0...UInt64(nodes.count) {
      paths.append(try LogPath("\(Self.directory)/\(id)" + (number == 0 ? "" : "-\(number)")))
    }
    for path in paths {
      guard let name = path.names.last, let parent = try directory(path.names.dropLast()),
        children[parent]?[name] == nil
      else { continue }
      insert(NodeRecord(id: id, kind: .log, parent: parent, name: name, attributes: attributes))
      return path
    }
    throw AofError(.alreadyExists, "there is no free name for log \(id)")
  }

  /// Adds a log to the trash.
  mutating func addTrashed(_ record: TrashRecord, _ attributes: NodeAttributes?) {
    let attributes =
      attributes ?? NodeAttributes(mode: 0o640, userID: owner.user, groupID: owner.group, now: now)
    trash.append(record)
    insert(NodeRecord(id: record.log, kind: .log, parent: .trash, name: nil, attributes: attributes))
  }

  /// The directory of that path, made if it is missing; nil if a log stands in the way.
  private mutating func directory(_ names: ArraySlice<EntryName>) throws(AofError) -> NodeID? {
    var current = NodeID.root
    for name in names {
      if let known = children[current]?[name] {
        guard nodes[known]?.kind == .directory else { return nil }
        current = known
        continue
      }
      let node = NodeRecord(
        id: NodeID(rawValue: nextNode), kind: .directory, parent: current, name: name,
        attributes: NodeAttributes(mode: 0o750, userID: owner.user, groupID: owner.group, now: now))
      nextNode += 1
      insert(node)
      current = node.id
    }
    return current
  }

  private mutating func insert(_ node: NodeRecord) {
    nodes[node.id] = node
    if let name = node.name { children[node.parent, default: [:]][name] = node.id }
  }
}

extension NodeAttributes {
  init(_ attributes: RemoteNodeAttributes) {
    self.init(
      mode: attributes.mode, userID: attributes.userID, groupID: attributes.groupID,
      accessTime: attributes.accessTime, modificationTime: attributes.modificationTime,
      changeTime: attributes.changeTime)
  }
}
