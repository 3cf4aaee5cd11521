import AOFCore
import AOFEngine

extension FileSystem {
  package func openDirectory(_ node: NodeID) throws(AofError) -> HandleID {
    let stream: DirectoryStream
    if node.isControl {
      let control = try controlNode(node)
      guard control.isDirectory else { throw AofError(.notADirectory, "a control file has no names") }
      stream = DirectoryStream(node: node) { [names] in
        Self.withDots(node: nil, parent: nil, control.names(in: names))
      }
    } else {
      _ = try directory(node)
      stream = DirectoryStream(node: node) { [manager] in
        Self.withDots(
          node: node, parent: manager.node(node)?.parent ?? .root,
          manager.children(of: node).compactMap { child in
            // What the library made under this name must not stand in for the control directory.
            guard let name = child.name?.bytes, !Self.isControlDirectory(name, in: node) else { return nil }
            return DirectoryEntry(
              name: name, node: child.id, kind: child.kind == .directory ? .directory : .regular)
          })
      }
    }
    return handles.insert(.directory(stream))
  }

  private static func withDots(node: NodeID?, parent: NodeID?, _ names: [DirectoryEntry]) -> [DirectoryEntry] {
    [
      DirectoryEntry(name: Array(".".utf8), node: node, kind: .directory),
      DirectoryEntry(name: Array("..".utf8), node: parent, kind: .directory),
    ] + names
  }

  /// Calls `body` with each name from `position` on, and the position after it, until it returns false.
  package func readDirectory(
    _ handle: HandleID, from position: UInt64, _ body: (DirectoryEntry, UInt64) -> Bool
  ) throws(AofError) {
    try stream(handle).forEach(from: position, body)
  }

  /// As ``readDirectory(_:from:_:)``, with what the kernel may know of each node: nil for `.` and `..`, for
  /// control files, for what was renamed away or is gone, and for logs whose size may be news to the kernel:
  /// it looks those up.
  package func readDirectoryPlus(
    _ handle: HandleID, from position: UInt64, _ body: (DirectoryEntry, Entry?, UInt64) -> Bool
  ) throws(AofError) {
    let stream = try stream(handle)
    stream.forEach(from: position) { name, next in
      // The first two are `.` and `..`.
      let entry = next <= 2 ? nil : self.entry(of: name, in: stream.node)
      return body(name, entry, next)
    }
  }

  private func entry(of name: DirectoryEntry, in directory: NodeID) -> Entry? {
    guard let id = name.node, let record = manager.node(id), record.parent == directory,
      record.name?.bytes == name.name
    else { return nil }
    guard let (entry, notices) = try? entryAndNotices(record, for: .unknown), notices == nil else { return nil }
    return entry
  }

  package func releaseDirectory(_ handle: HandleID) { handles.remove(handle) }

  private func stream(_ handle: HandleID) throws(AofError) -> DirectoryStream {
    guard case .directory(let stream) = try handles.handle(handle) else {
      throw AofError(.notADirectory, "handle \(handle.rawValue) is a file")
    }
    return stream
  }
}
