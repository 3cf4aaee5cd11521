import AOFCore
import AOFManifest

/// An open store: its logs, and the directories that name them.
public final class AofManager: Sendable {
  /// The store's directory.
  public let path: String

  init(path: String) { self.path = path }

  /// Opens a store, recovering what a crash left behind; creates it if the options say so.
  ///
  /// Holds a lock on the store until ``close()``. Blocks on local disk I/O.
  /// - Throws: `notAStore`, `newerVersion`, `locked` (naming process and mount point), `corrupt`, `notFound`.
  public static func open(_ path: String, options: StoreOptions = StoreOptions()) throws(AofError) -> AofManager {
    fatalError()
  }

  /// Makes everything appended durable, records it and lets go of the store. Blocks on local disk I/O.
  public func close() throws(AofError) { fatalError() }

  // MARK: Logs

  /// Creates a log, with the directories above it. - Throws: `alreadyExists`.
  public func createLog(_ config: AofConfig) throws(AofError) -> Aof { fatalError() }

  /// - Throws: `notFound`, `isADirectory`.
  public func openLog(_ path: LogPath) throws(AofError) -> Aof { fatalError() }

  /// The log with this permanent id. - Throws: `notFound`, `isADirectory`.
  package func log(_ id: LogID) throws(AofError) -> Aof { fatalError() }

  /// Every log, in the order of their paths.
  public func logs() -> [LogPath] { fatalError() }

  /// What the store was created with.
  public var settings: StoreSettings { fatalError() }

  // MARK: The name space. Answers from memory; changes are durable when they return.

  package func node(_ id: NodeID) -> NodeRecord? { fatalError() }
  package func path(of id: NodeID) -> LogPath? { fatalError() }
  package func lookUp(_ name: EntryName, in directory: NodeID) -> NodeRecord? { fatalError() }
  package func resolve(_ path: LogPath) -> NodeRecord? { fatalError() }
  /// In the order of their names.
  package func children(of directory: NodeID) -> [NodeRecord] { fatalError() }
  package func makeLog(
    _ name: EntryName, in directory: NodeID, attributes: NodeAttributes, chunkSize: ChunkSize? = nil
  ) throws(AofError) -> Aof { fatalError() }
  package func makeDirectory(_ name: EntryName, in directory: NodeID, attributes: NodeAttributes)
    throws(AofError) -> NodeRecord
  { fatalError() }
  /// - Throws: `notFound`, `notADirectory`, `notEmpty`.
  package func removeDirectory(_ name: EntryName, in directory: NodeID) throws(AofError) { fatalError() }
  /// Renames a log or directory. - Throws: `notFound`; `alreadyExists` if the target exists (an empty directory
  /// over which a directory is renamed is replaced); `invalidArgument` for a directory into itself.
  package func rename(
    _ name: EntryName, in directory: NodeID, to newName: EntryName, in newDirectory: NodeID
  ) throws(AofError) { fatalError() }
  package func setAttributes(_ attributes: NodeAttributes, of id: NodeID) throws(AofError) { fatalError() }
}
