import AOFCore

/// The rows that name logs and directories, and what must be so of them: but for logs in the trash they form a tree, no
/// two entries of a directory share a name, and no id is handed out twice.
package struct ManifestNames {
  private let nodes: [NodeID: NodeRecord]
  private let trash: [LogID: TrashRecord]
  private let repeated: [String]
  private let nextNode: UInt64?

  package init(nodes: [NodeRecord], trash: [TrashRecord], nextNode: UInt64?) {
    self.trash = Dictionary(trash.map { ($0.log, $0) }, uniquingKeysWith: { $1 })
    var known: [NodeID: NodeRecord] = [:]
    var names: [NodeID: Set<EntryName>] = [:]
    var repeated: [String] = []
    for node in nodes {
      if known.updateValue(node, forKey: node.id) != nil { repeated.append("node \(node.id) is there twice") }
      if let name = node.name, !names[node.parent, default: []].insert(name).inserted {
        repeated.append("directory \(node.parent) has two entries called '\(name)'")
      }
    }
    self.nodes = known
    self.repeated = repeated
    self.nextNode = nextNode
  }

  /// One line for each thing that is wrong. Empty if every path can be followed up to the root.
  package var problems: [String] {
    var found = repeated
    if nodes[.root]?.kind != .directory || nodes[.root]?.parent != .root || nodes[.root]?.name != nil {
      found.append("there is no root directory, or it is not its own parent")
    }
    if let nextNode, let highest = nodes.keys.max(), nextNode <= highest.rawValue {
      found.append("the next node would be \(nextNode), and node \(highest) exists")
    }
    var sound: Set<NodeID> = [.root]
    for id in nodes.keys.sorted() { found += follow(id, &sound) }
    for id in trash.keys.sorted() where nodes[id]?.isInTrash != true {
      found.append("log \(id) is said to be in the trash, and is not")
    }
    return found
  }

  /// What a log was called that is in the trash; nil if it is not.
  package func oldPath(of id: LogID) -> LogPath? { trash[id]?.path }

  /// Goes up from a node until one that is known to lead to the root; what it passes does so too.
  private func follow(_ start: NodeID, _ sound: inout Set<NodeID>) -> [String] {
    var path: [NodeID] = []
    var onPath: Set<NodeID> = []
    var id = start
    while !sound.contains(id) {
      guard let node = nodes[id] else { return ["the parent \(id) of node \(path.last ?? start) is missing"] }
      if path.isEmpty, node.isInTrash {
        guard node.kind == .log, node.name == nil else { return ["node \(id) is in the trash, and is no log without a name"] }
        return trash[id] == nil ? ["log \(id) is in the trash, and nothing says since when"] : []
      }
      guard node.name != nil else { return ["node \(id) has no name"] }
      guard onPath.insert(id).inserted else { return ["node \(id) lies within itself"] }
      if !path.isEmpty, node.kind != .directory { return ["node \(id) is a log, and holds node \(path.last ?? start)"] }
      path.append(id)
      id = node.parent
    }
    if let node = nodes[id], node.kind != .directory, let last = path.last {
      return ["node \(id) is a log, and holds node \(last)"]
    }
    sound.formUnion(path)
    return []
  }

  /// The path of a node; nil if it does not lead to the root.
  package func path(of id: NodeID) -> LogPath? {
    var names: [EntryName] = []
    var id = id
    while id != .root {
      guard let node = nodes[id], let name = node.name, names.count <= nodes.count else { return nil }
      names.append(name)
      id = node.parent
    }
    return LogPath(names: names.reversed())
  }

  /// One line for each log without a name, or name of a log without one.
  package func problems(with logs: [AofDescriptorRecord], _ walDirectories: [WalDirectoryRecord]) -> [String] {
    let ids = Set(logs.map(\.id))
    let wals = Set(walDirectories.map(\.id))
    var found: [String] = []
    for id in nodes.keys.sorted() where nodes[id]?.kind == .log && !ids.contains(id) {
      found.append("node \(id) is the name of a log that the manifest has nothing else of")
    }
    for log in logs {
      if nodes[log.id]?.kind != .log { found.append("log \(log.id) has no name") }
      if !wals.contains(log.walDirectory) { found.append("log \(log.id) is of a WAL directory that is not listed") }
    }
    return found
  }
}
