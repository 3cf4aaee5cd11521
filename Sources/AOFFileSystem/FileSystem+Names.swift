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
    return try answer(record, for: task, generation: announce(record))
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

  /// Moves a log to the trash. Whoever has it open goes on with it.
  package func unlink(_ name: [UInt8], in parent: NodeID) throws(AofError) {
    try refuseControl(parent, name)
    let name = try EntryName(name)
    guard options.allowsDeletion || manager.lookUp(name, in: parent)?.kind != .log else { throw .logsStay(name) }
    try manager.discard(name, in: parent)
  }

  /// Renames a log or directory. A directory may take the place of an empty one, and a log that of a log, which goes to
  /// the trash.
  package func rename(
    _ name: [UInt8], in parent: NodeID, to newName: [UInt8], in newParent: NodeID, flags: RenameFlags
  ) throws(AofError) {
    guard flags.isSupported else { throw AofError(.invalidArgument, "names cannot be exchanged") }
    try refuseControl(parent, name)
    try refuseControl(newParent, newName)
    let from = try EntryName(name)
    let to = try EntryName(newName)
    let replaceable: RenameTarget = flags.keepsTarget ? .nothing : options.allowsDeletion ? .anything : .directory
    try manager.rename(from, in: parent, to: to, in: newParent, replacing: replaceable)
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
