import AOFCore
import AOFEngine
import AOFManifest

extension FileSystem {
  /// The node that a name leads to. The kernel owes a ``forget(_:count:)`` for it.
  package func lookUp(
    _ name: [UInt8], in parent: NodeID, for task: TaskID = .unknown
  ) throws(AofError) -> AttributeAnswer {
    let entryName = try EntryName(name)
    if parent.isControl || Self.isControlDirectory(name, in: parent) {
      return .now(try lookUpControl(entryName, in: parent))
    }
    guard let record = manager.lookUp(entryName, in: parent) else {
      throw AofError(.notFound, "'\(entryName)' does not exist")
    }
    return try answer(record, for: task)
  }

  package func mkdir(_ name: [UInt8], in parent: NodeID, permissions: UInt32, caller: Caller) throws(AofError) -> Entry {
    try refuseControl(parent, name)
    let record = try manager.makeDirectory(
      EntryName(name), in: parent, attributes: newAttributes(permissions, caller))
    return try entry(record)
  }

  package func rmdir(_ name: [UInt8], in parent: NodeID) throws(AofError) {
    try refuseControl(parent, name)
    try manager.removeDirectory(EntryName(name), in: parent)
  }

  package func unlink(_ name: [UInt8], in parent: NodeID) throws(AofError) {
    try refuseControl(parent, name)
    let name = try EntryName(name)
    guard let record = manager.lookUp(name, in: parent) else {
      throw AofError(.notFound, "'\(name)' does not exist")
    }
    guard record.kind == .log else { throw AofError(.isADirectory, "'\(name)' is a directory") }
    throw AofError(.unsupported, "logs cannot be removed")
  }

  /// Renames a log or directory. A directory may take the place of an empty one; a log is never replaced.
  package func rename(
    _ name: [UInt8], in parent: NodeID, to newName: [UInt8], in newParent: NodeID, flags: RenameFlags
  ) throws(AofError) {
    guard flags.isSupported else { throw AofError(.invalidArgument, "names cannot be exchanged") }
    try refuseControl(parent, name)
    try refuseControl(newParent, newName)
    let from = try EntryName(name)
    let to = try EntryName(newName)
    guard let source = manager.lookUp(from, in: parent) else { throw AofError(.notFound, "'\(from)' does not exist") }
    if let target = manager.lookUp(to, in: newParent) {
      if flags.keepsTarget { throw AofError(.alreadyExists, "'\(to)' exists") }
      // rename(2): two names of one file are left as they are.
      if target.id == source.id { return }
      try Self.checkReplacing(target, by: source)
    }
    try manager.rename(from, in: parent, to: to, in: newParent)
  }

  private static func checkReplacing(_ target: NodeRecord, by source: NodeRecord) throws(AofError) {
    switch (source.kind, target.kind) {
    case (.directory, .directory): return
    case (.log, .directory): throw AofError(.isADirectory, "a log cannot replace a directory")
    case (.directory, .log): throw AofError(.notADirectory, "a directory cannot replace a log")
    case (.log, .log): throw AofError(.unsupported, "a log cannot be replaced", remedy: "rename the old one first")
    }
  }

  /// A log has one name, and there are only logs and directories.
  package func refuseLink() throws(AofError) {
    throw AofError(.notPermitted, "only logs and directories can be made here")
  }

  func newAttributes(_ permissions: UInt32, _ caller: Caller) -> NodeAttributes {
    NodeAttributes(
      mode: permissions & 0o1777, userID: caller.userID, groupID: caller.groupID, now: options.clock.now())
  }
}
