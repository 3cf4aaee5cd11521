import AOFCore
import AOFManifest

/// The name space. Answers come from memory; changes are durable when they return, and block on the local disk.
extension AofManager {
  package func node(_ id: NodeID) -> NodeRecord? { nameSpace.node(id) }

  package func path(of id: NodeID) -> LogPath? { nameSpace.path(of: id) }

  package func lookUp(_ name: EntryName, in directory: NodeID) -> NodeRecord? {
    nameSpace.lookUp(name, in: directory)
  }

  package func resolve(_ path: LogPath) -> NodeRecord? { nameSpace.resolve(path) }

  /// In the order of their names.
  package func children(of directory: NodeID) -> [NodeRecord] { nameSpace.children(of: directory) }

  /// - Throws: `alreadyExists`, `notFound`, `notADirectory`.
  package func makeLog(
    _ name: EntryName, in directory: NodeID, attributes: NodeAttributes, chunkSize: ChunkSize? = nil
  ) throws(AofError) -> Aof {
    let size = chunkSize ?? settings.chunkSize
    let walDirectory = state.withLock { $0.wals.keys.min { $0.rawValue < $1.rawValue } }
    guard let walDirectory else { throw AofError(.readOnly, "the store is closed") }
    return try addLog(name, in: directory, attributes: attributes) { id in
      AofDescriptorRecord(
        id: id, chunkSize: size, dataDirectory: StoreLayout.defaultChunks, walDirectory: walDirectory)
    }
  }

  /// - Throws: `alreadyExists`, `notFound`, `notADirectory`.
  package func makeDirectory(
    _ name: EntryName, in directory: NodeID, attributes: NodeAttributes
  ) throws(AofError) -> NodeRecord {
    try nameSpace.addDirectory(name, in: directory, attributes: attributes)
  }

  /// - Throws: `notFound`, `notADirectory`, `notEmpty`.
  package func removeDirectory(_ name: EntryName, in directory: NodeID) throws(AofError) {
    try nameSpace.removeDirectory(name, in: directory)
  }

  /// Renames a log or directory; open logs go on under their new name. A log over which a log is renamed goes to the
  /// trash in the same step.
  /// - Throws: `notFound`; `alreadyExists`, `notPermitted` for what is not to be replaced; `notEmpty`, `isADirectory`,
  ///   `notADirectory`; `invalidArgument` for a directory into itself.
  package func rename(
    _ name: EntryName, in directory: NodeID, to newName: EntryName, in newDirectory: NodeID,
    replacing: RenameTarget = .directory
  ) throws(AofError) {
    let discarded = try nameSpace.rename(
      name, in: directory, to: newName, in: newDirectory, replacing: replacing, time: services.environment.clock.now())
    if let discarded { trashGrew(by: discarded) }
  }

  /// How many directories there are in a directory.
  package func countDirectories(in directory: NodeID) -> Int { nameSpace.countDirectories(in: directory) }

  /// - Throws: `notFound`.
  package func setAttributes(_ attributes: NodeAttributes, of id: NodeID) throws(AofError) {
    try nameSpace.setAttributes(attributes, of: id)
  }
}
