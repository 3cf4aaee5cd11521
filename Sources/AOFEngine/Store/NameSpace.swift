import AOFCore
import AOFManifest
import AOFSystem

/// The directories and names of a store, and its trash. Answers come from memory; changes are in the manifest, durable,
/// before anybody sees them, and are made one at a time.
final class NameSpace: Sendable {
  struct State {
    /// Logs in the trash among them.
    var nodes: [NodeID: NodeRecord] = [:]
    var children: [NodeID: [EntryName: NodeID]] = [:]
    /// How many of a directory's children are directories; each look at the directory asks for it.
    var directoryCounts: [NodeID: Int] = [:]
    var trash: [LogID: TrashRecord]
    /// The id of the next node: no node has had it, or a later one.
    var nextNode: UInt64
    var isChanging = false
  }

  let manifest: Manifest
  let state: Monitor<State>

  init(_ manifest: Manifest) throws(AofError) {
    self.manifest = manifest
    let trash = Dictionary(try manifest.trash().map { ($0.log, $0) }, uniquingKeysWith: { $1 })
    var state = State(trash: trash, nextNode: try manifest.nextNodeID())
    for node in try manifest.nodes() { state.insert(node) }
    guard state.nodes[.root]?.kind == .directory else {
      throw AofError(.corrupt, "the manifest \(manifest.path) has no root directory")
    }
    self.state = Monitor(state)
  }

  // MARK: Answers

  func node(_ id: NodeID) -> NodeRecord? { state.withLock { $0.nodes[id] } }

  func lookUp(_ name: EntryName, in directory: NodeID) -> NodeRecord? {
    state.withLock { $0.lookUp(name, in: directory) }
  }

  func resolve(_ path: LogPath) -> NodeRecord? {
    state.withLock { state in
      var node = state.nodes[.root]
      for name in path.names { node = node.flatMap { state.lookUp(name, in: $0.id) } }
      return node
    }
  }

  /// The path of a node; nil if there is no such node, or it is in the trash.
  func path(of id: NodeID) -> LogPath? {
    state.withLock { state -> LogPath? in
      var names: [EntryName] = []
      var id = id
      while id != .root {
        guard let node = state.nodes[id], let name = node.name else { return nil }
        names.append(name)
        id = node.parent
      }
      return LogPath(names: names.reversed())
    }
  }

  /// In the order of their names.
  func children(of directory: NodeID) -> [NodeRecord] {
    let nodes = state.withLock { state -> [NodeRecord] in
      state.children[directory, default: [:]].values.compactMap { state.nodes[$0] }
    }
    return nodes.sorted { ($0.name?.bytes ?? []).lexicographicallyPrecedes($1.name?.bytes ?? []) }
  }

  /// How many directories there are in a directory.
  func countDirectories(in directory: NodeID) -> Int {
    state.withLock { $0.directoryCounts[directory] ?? 0 }
  }

  /// The ids of all logs that have a name, sorted.
  var logs: [LogID] {
    state.withLock { $0.nodes.values.filter { $0.kind == .log && !$0.isInTrash }.map(\.id) }.sorted()
  }

  /// The ids of all directories, sorted.
  var directories: [NodeID] {
    state.withLock { $0.nodes.values.filter { $0.kind == .directory }.map(\.id) }.sorted()
  }

  // MARK: Changes

  /// Waits for a change under way: what the manifest was just seen to have is seen here, too, from now on.
  func settle() { state.wait { $0.isChanging ? nil : () } }

  func addDirectory(_ name: EntryName, in directory: NodeID, attributes: NodeAttributes) throws(AofError) -> NodeRecord {
    try changing { () throws(AofError) in
      try checkVacant(name, in: directory)
      let node = NodeRecord(
        id: try takeID(), kind: .directory, parent: directory, name: name, attributes: attributes)
      try manifest.addDirectory(node)
      state.withLock { $0.insert(node) }
      return node
    }
  }

  /// Adds a log; `describe` makes its record from its new id.
  func addLog(
    _ name: EntryName, in directory: NodeID, attributes: NodeAttributes,
    describe: (LogID) throws(AofError) -> AofDescriptorRecord
  ) throws(AofError) -> AofDescriptorRecord {
    try changing { () throws(AofError) in
      try checkVacant(name, in: directory)
      let node = NodeRecord(
        id: try takeID(), kind: .log, parent: directory, name: name, attributes: attributes)
      let log = try describe(node.id)
      try manifest.addLog(node, log)
      state.withLock { $0.insert(node) }
      return log
    }
  }

  /// An id that no node has had. The manifest learns of it with the node, so one that gets none may be given out again by
  /// the next process.
  private func takeID() throws(AofError) -> NodeID {
    try state.withLock { state throws(AofError) in
      guard state.nextNode < UInt64(Int64.max) else { throw AofError(.corrupt, "the store has used up its ids") }
      defer { state.nextNode += 1 }
      return NodeID(rawValue: state.nextNode)
    }
  }

  func removeDirectory(_ name: EntryName, in directory: NodeID) throws(AofError) {
    try changing { () throws(AofError) in
      guard let node = lookUp(name, in: directory) else { throw Self.notFound(name) }
      guard node.kind == .directory else {
        throw AofError(.notADirectory, "'\(name)' is a log, not a directory")
      }
      guard children(of: node.id).isEmpty else { throw AofError(.notEmpty, "the directory '\(name)' is not empty") }
      try manifest.removeDirectory(node.id)
      state.withLock { $0.remove(node) }
    }
  }

  /// - Parameter time: when a log that is replaced went to the trash.
  /// - Returns: that log.
  func rename(
    _ name: EntryName, in directory: NodeID, to newName: EntryName, in newDirectory: NodeID,
    replacing: RenameTarget, time: UnixTime
  ) throws(AofError) -> TrashRecord? {
    try changing { () throws(AofError) in
      guard let node = lookUp(name, in: directory) else { throw Self.notFound(name) }
      guard self.node(newDirectory)?.kind == .directory else { throw Self.notFound(newName) }
      if directory == newDirectory, name == newName { return nil }
      guard !isInside(newDirectory, node.id) else {
        throw AofError(.invalidArgument, "the directory '\(name)' cannot be moved into itself")
      }
      let replaced = try checkReplaceable(newName, in: newDirectory, by: node, replacing)
      let discarded = replaced?.kind == .log ? try replaced.map { node throws(AofError) in try trashRecord(node, time) } : nil
      let taken = discarded.map { Manifest.Replaced.log($0) } ?? replaced.map { .directory($0.id) }
      try manifest.move(node.id, to: newName, in: newDirectory, replacing: taken)
      // In one step: a reader of the name finds the old log or the new one.
      state.withLock { state in
        if let replaced { state.remove(replaced) }
        if let replaced, let discarded { state.discard(replaced, discarded) }
        state.remove(node)
        state.insert(node, as: newName, in: newDirectory)
      }
      return discarded
    }
  }

  func setAttributes(_ attributes: NodeAttributes, of id: NodeID) throws(AofError) {
    try changing { () throws(AofError) in
      guard node(id) != nil else { throw AofError(.notFound, "there is no node \(id)") }
      try manifest.setAttributes(attributes, of: id)
      state.withLock { $0.nodes[id]?.attributes = attributes }
    }
  }

  /// Runs `body` while no other thread changes names.
  func changing<Result>(_ body: () throws(AofError) -> Result) throws(AofError) -> Result {
    state.wait { state -> Void? in
      if state.isChanging { return nil }
      state.isChanging = true
      return ()
    }
    defer { state.change { $0.isChanging = false } }
    return try body()
  }

  func checkVacant(_ name: EntryName, in directory: NodeID) throws(AofError) {
    guard let parent = node(directory) else { throw Self.notFound(name) }
    guard parent.kind == .directory else { throw AofError(.notADirectory, "node \(directory) is a log") }
    guard lookUp(name, in: directory) == nil else { throw AofError(.alreadyExists, "'\(name)' exists") }
  }

  /// The empty directory or the log that a rename replaces, if there is one.
  private func checkReplaceable(
    _ name: EntryName, in directory: NodeID, by node: NodeRecord, _ allowed: RenameTarget
  ) throws(AofError) -> NodeRecord? {
    guard let target = lookUp(name, in: directory) else { return nil }
    guard allowed != .nothing else { throw AofError(.alreadyExists, "'\(name)' exists") }
    switch (node.kind, target.kind) {
    case (.directory, .directory):
      guard children(of: target.id).isEmpty else { throw AofError(.notEmpty, "the directory '\(name)' is not empty") }
      return target
    case (.log, .directory): throw AofError(.isADirectory, "'\(name)' is a directory")
    case (.directory, .log): throw AofError(.notADirectory, "'\(name)' is a log")
    case (.log, .log):
      guard allowed == .anything else { throw .logsStay(name) }
      return target
    }
  }

  private func isInside(_ id: NodeID, _ directory: NodeID) -> Bool {
    var id = id
    while id != .root {
      if id == directory { return true }
      guard let node = node(id) else { return false }
      id = node.parent
    }
    return directory == .root
  }

  static func notFound(_ name: EntryName) -> AofError {
    AofError(.notFound, "there is no '\(name)'")
  }
}

/// What a rename may take the place of.
package enum RenameTarget: Sendable {
  case nothing
  /// A directory that is empty, by a directory.
  case directory
  /// As above, and a log, which goes to the trash, by a log.
  case anything
}

extension NameSpace.State {
  func lookUp(_ name: EntryName, in directory: NodeID) -> NodeRecord? {
    children[directory]?[name].flatMap { nodes[$0] }
  }

  mutating func insert(_ node: NodeRecord) {
    nodes[node.id] = node
    guard let name = node.name else { return }
    children[node.parent, default: [:]][name] = node.id
    if node.kind == .directory { directoryCounts[node.parent, default: 0] += 1 }
  }

  mutating func insert(_ node: NodeRecord, as name: EntryName, in directory: NodeID) {
    var moved = node
    moved.parent = directory
    moved.name = name
    insert(moved)
  }

  /// Takes the node out of its directory; its own children stay its children.
  mutating func remove(_ node: NodeRecord) {
    nodes[node.id] = nil
    if node.kind == .directory, children[node.id]?.isEmpty == true { children[node.id] = nil }
    guard let name = node.name else { return }
    children[node.parent]?[name] = nil
    guard node.kind == .directory else { return }
    let left = directoryCounts[node.parent, default: 1] - 1
    directoryCounts[node.parent] = left == 0 ? nil : left
  }
}
