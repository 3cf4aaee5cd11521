import AOFCore
import AOFManifest
import AOFSystem

/// The directories and names of a store. Answers come from memory; changes are in the manifest, durable, before
/// anybody sees them, and are made one at a time.
final class NameSpace: Sendable {
  fileprivate struct State {
    var nodes: [NodeID: NodeRecord]
    var children: [NodeID: [EntryName: NodeID]]
    var isChanging = false
  }

  private let manifest: Manifest
  private let state: Monitor<State>

  init(_ manifest: Manifest) throws(AofError) {
    self.manifest = manifest
    let records = try manifest.nodes()
    var nodes: [NodeID: NodeRecord] = [:]
    var children: [NodeID: [EntryName: NodeID]] = [:]
    for node in records {
      nodes[node.id] = node
      if let name = node.name { children[node.parent, default: [:]][name] = node.id }
    }
    guard nodes[.root]?.kind == .directory else {
      throw AofError(.corrupt, "the manifest \(manifest.path) has no root directory")
    }
    state = Monitor(State(nodes: nodes, children: children))
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

  /// The path of a node; nil if there is no such node.
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

  /// The ids of all logs, sorted.
  var logs: [LogID] { state.withLock { $0.nodes.values.filter { $0.kind == .log }.map(\.id) }.sorted() }

  // MARK: Changes

  func addDirectory(_ name: EntryName, in directory: NodeID, attributes: NodeAttributes) throws(AofError) -> NodeRecord {
    try changing { () throws(AofError) in
      try checkVacant(name, in: directory)
      let node = NodeRecord(
        id: try manifest.reserveNodeID(), kind: .directory, parent: directory, name: name, attributes: attributes)
      try manifest.addDirectory(node)
      insert(node)
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
        id: try manifest.reserveNodeID(), kind: .log, parent: directory, name: name, attributes: attributes)
      let log = try describe(node.id)
      try manifest.addLog(node, log)
      insert(node)
      return log
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
      remove(node)
    }
  }

  func rename(
    _ name: EntryName, in directory: NodeID, to newName: EntryName, in newDirectory: NodeID
  ) throws(AofError) {
    try changing { () throws(AofError) in
      guard let node = lookUp(name, in: directory) else { throw Self.notFound(name) }
      guard self.node(newDirectory)?.kind == .directory else { throw Self.notFound(newName) }
      if directory == newDirectory, name == newName { return }
      guard !isInside(newDirectory, node.id) else {
        throw AofError(.invalidArgument, "the directory '\(name)' cannot be moved into itself")
      }
      let replaced = try checkReplaceable(newName, in: newDirectory, by: node)
      try manifest.move(node.id, to: newName, in: newDirectory, replacing: replaced?.id)
      if let replaced { remove(replaced) }
      remove(node)
      var moved = node
      moved.parent = newDirectory
      moved.name = newName
      insert(moved)
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
  private func changing<Result>(_ body: () throws(AofError) -> Result) throws(AofError) -> Result {
    state.wait { state -> Void? in
      if state.isChanging { return nil }
      state.isChanging = true
      return ()
    }
    defer { state.change { $0.isChanging = false } }
    return try body()
  }

  private func checkVacant(_ name: EntryName, in directory: NodeID) throws(AofError) {
    guard let parent = node(directory) else { throw Self.notFound(name) }
    guard parent.kind == .directory else { throw AofError(.notADirectory, "node \(directory) is a log") }
    guard lookUp(name, in: directory) == nil else { throw AofError(.alreadyExists, "'\(name)' exists") }
  }

  /// The empty directory that a rename replaces, if there is one.
  private func checkReplaceable(
    _ name: EntryName, in directory: NodeID, by node: NodeRecord
  ) throws(AofError) -> NodeRecord? {
    guard let target = lookUp(name, in: directory) else { return nil }
    switch (node.kind, target.kind) {
    case (.directory, .directory):
      guard children(of: target.id).isEmpty else { throw AofError(.notEmpty, "the directory '\(name)' is not empty") }
      return target
    case (.log, .directory): throw AofError(.isADirectory, "'\(name)' is a directory")
    case (.directory, .log): throw AofError(.notADirectory, "'\(name)' is a log")
    case (.log, .log): throw AofError(.alreadyExists, "'\(name)' exists")
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

  private func insert(_ node: NodeRecord) {
    state.withLock { state in
      state.nodes[node.id] = node
      if let name = node.name { state.children[node.parent, default: [:]][name] = node.id }
    }
  }

  /// Takes the node out of its directory; its own children stay its children.
  private func remove(_ node: NodeRecord) {
    state.withLock { state in
      state.nodes[node.id] = nil
      if let name = node.name { state.children[node.parent]?[name] = nil }
    }
  }

  private static func notFound(_ name: EntryName) -> AofError {
    AofError(.notFound, "there is no '\(name)'")
  }
}

extension NameSpace.State {
  fileprivate func lookUp(_ name: EntryName, in directory: NodeID) -> NodeRecord? {
    children[directory]?[name].flatMap { nodes[$0] }
  }
}
