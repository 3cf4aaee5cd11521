import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem
import Logging

/// An open store: its logs, and the directories that name them.
///
/// Safe to use from any number of threads. One process at a time has a store open.
public final class AofManager: Sendable {
  /// The store's directory, absolute.
  public let path: String

  let layout: StoreLayout
  let services: EngineServices
  let nameSpace: NameSpace
  let state: Lock<State>
  let lock: StoreLock
  /// The end of each log that the quota leaves on the local disk, in bytes.
  let residentTail: Int
  /// Called with each log that was purged.
  package let whenPurged = Hook<LogID>()

  struct State {
    var settings: StoreSettings
    /// Every log, as it was when the store was opened or the log created.
    var descriptors: [LogID: AofDescriptorRecord]
    /// The logs that were used since.
    var open: [LogID: Aof] = [:]
    /// One WAL for each WAL directory.
    var wals: [WalDirectoryID: WriteAheadLog]
    /// WALs with a background release queued.
    var releasing: Set<WalDirectoryID> = []
    /// Whether ``AofManager/close()`` has begun, which waits for what is done in the background.
    var isClosing = false
    /// Whether the trash will be looked at again.
    var isPurgeScheduled = false
    /// Where the chunk files are measured, as long as that takes.
    var measuring: (any JobQueue)?
    /// The check of the whole manifest that runs beside, and its thread.
    var check: (ManifestCheck, SystemThread)?

    /// In the order of their directories.
    var walsInOrder: [WriteAheadLog] { wals.sorted { $0.key.rawValue < $1.key.rawValue }.map(\.value) }
  }

  init(
    layout: StoreLayout, services: EngineServices, nameSpace: NameSpace, state: State, lock: StoreLock,
    residentTail: Int
  ) {
    self.residentTail = residentTail
    path = layout.root
    self.layout = layout
    self.services = services
    self.nameSpace = nameSpace
    self.state = Lock(state)
    self.lock = lock
  }

  /// A store may be let go without being closed; the next opening recovers it. A WAL and its logs know each other.
  deinit {
    services.automaticCheckpoints.cancel()
    for wal in state.withLock({ $0.walsInOrder }) { wal.forgetLogs() }
  }

  // MARK: Facts

  /// What the store was created with; paths are absolute.
  public var settings: StoreSettings { state.withLock { $0.settings } }

  /// What went wrong since the store was opened, oldest first.
  public var incidents: [Incident] { services.observation.incidents }

  /// The number of this opening of the store.
  public var epoch: UInt64 { services.checkpointer.epoch }

  /// The logs' paths, sorted.
  public func logs() -> [LogPath] { nameSpace.logs.compactMap { nameSpace.path(of: $0) }.sorted() }

  /// The ids of the logs, but for those in the trash.
  package func logIDs() -> [LogID] { nameSpace.logs }

  // MARK: Logs

  /// Creates a log, with the directories above it. Durable when it returns.
  /// - Throws: `alreadyExists`, `notADirectory`, `invalidArgument`, `nameTooLong`; local failures.
  @discardableResult
  public func createLog(_ config: AofConfig) throws(AofError) -> Aof {
    let path = try LogPath(config.name)
    guard let name = path.names.last else {
      throw AofError(.invalidArgument, "a log needs a name", remedy: "name it as a path below the store: app/events")
    }
    let directory = try makeDirectories(path.names.dropLast())
    return try addLog(name, in: directory, attributes: attributes(config.mode)) { id throws(AofError) in
      try describe(id, config)
    }
  }

  /// Adds a log, whose descriptor is known before anybody can find it.
  func addLog(
    _ name: EntryName, in directory: NodeID, attributes: NodeAttributes,
    describe: (LogID) throws(AofError) -> AofDescriptorRecord
  ) throws(AofError) -> Aof {
    var described: LogID?
    do throws(AofError) {
      let record = try nameSpace.addLog(name, in: directory, attributes: attributes) { id throws(AofError) in
        let record = try describe(id)
        described = id
        state.withLock { $0.descriptors[id] = record }
        return record
      }
      return try log(record.id)
    } catch {
      if let described, nameSpace.node(described) == nil { state.withLock { $0.descriptors[described] = nil } }
      throw error
    }
  }

  /// The directory of this path; those that are missing are made.
  func makeDirectories(_ names: ArraySlice<EntryName>) throws(AofError) -> NodeID {
    var directory = NodeID.root
    for name in names { directory = try enterDirectory(name, in: directory) }
    return directory
  }

  private func enterDirectory(_ name: EntryName, in parent: NodeID) throws(AofError) -> NodeID {
    if let node = nameSpace.lookUp(name, in: parent) {
      guard node.kind == .directory else { throw AofError(.notADirectory, "'\(name)' is a log, not a directory") }
      return node.id
    }
    return try nameSpace.addDirectory(name, in: parent, attributes: attributes(0o750)).id
  }

  private func attributes(_ mode: UInt32) -> NodeAttributes {
    NodeAttributes(
      mode: mode & 0o1777, userID: PathFacts.userID, groupID: PathFacts.groupID, now: services.environment.clock.now())
  }

  private func describe(_ id: LogID, _ config: AofConfig) throws(AofError) -> AofDescriptorRecord {
    let settings = settings
    return AofDescriptorRecord(
      id: id, chunkSize: config.chunkSize ?? settings.chunkSize,
      dataDirectory: try config.dataDirectory.map { path throws(AofError) in try PathFacts.absolute(path) }
        ?? StoreLayout.defaultChunks,
      walDirectory: try walDirectory(config.walDirectory))
  }

  /// The log with this path. - Throws: `notFound`, `isADirectory`.
  public func openLog(_ path: LogPath) throws(AofError) -> Aof {
    guard let node = nameSpace.resolve(path) else {
      throw AofError(.notFound, "there is no log '\(path)'", remedy: "'aofs ls' lists the logs")
    }
    return try log(node.id)
  }

  /// As ``openLog(_:)-(LogPath)``, with the path as text.
  public func openLog(_ path: String) throws(AofError) -> Aof { try openLog(LogPath(path)) }

  /// The log with this permanent id. - Throws: `notFound`, `isADirectory`.
  package func log(_ id: LogID) throws(AofError) -> Aof {
    if let log = state.withLock({ $0.open[id] }) { return log }
    guard let node = nameSpace.node(id) else { throw AofError(.notFound, "there is no log \(id)") }
    guard node.kind == .log else { throw AofError(.isADirectory, "'\(node.name?.description ?? "/")' is a directory") }
    let log = state.withLock { state -> Aof? in
      if let log = state.open[id] { return log }
      guard var record = state.descriptors[id], let wal = state.wals[record.walDirectory] else { return nil }
      record.dataDirectory = layout.resolve(record.dataDirectory)
      let log = Aof(record, modified: node.attributes.modificationTime, wal: wal, services: services)
      state.open[id] = log
      return log
    }
    if let log { return log }
    // It may have been purged since.
    guard nameSpace.node(id) == nil else {
      throw AofError(.corrupt, "the manifest has a name for log \(id), and nothing else of it")
    }
    throw AofError(.notFound, "there is no log \(id)")
  }

  // MARK: WALs

  /// The WAL of a directory, nil for the store's own; begins one where there is none yet.
  private func walDirectory(_ path: String?) throws(AofError) -> WalDirectoryID {
    let stored = try path.map { path throws(AofError) in try PathFacts.absolute(path) + "/" + settings.storeID }
    let known = try services.manifest.walDirectories()
    let record: WalDirectoryRecord
    if let found = known.first(where: { $0.path == stored ?? known.first?.path }) {
      record = found
    } else {
      guard let stored else { throw AofError(.corrupt, "the manifest names no WAL directory") }
      try services.environment.disk.createDirectory(stored)
      record = try services.manifest.addWalDirectory(stored)
    }
    // One that is known and does not run is one whose start failed.
    guard state.withLock({ $0.wals[record.id] }) == nil else { return record.id }
    let wal = try WriteAheadLog(
      record: record, firstSequence: record.firstSequence, base: .zero, storeID: try StoreOpening.storeID(settings),
      environment: services.environment, observation: services.observation)
    watch(wal)
    state.withLock { $0.wals[record.id] = wal }
    return record.id
  }

  // MARK: The remote

  /// Seals logs, uploads what the remote lacks of them and publishes it with one element of the remote's manifest
  /// chain. Waits for the remote.
  /// - Returns: for each log how far the remote holds it now, or why not.
  package func checkpoint(_ logs: [Aof]) -> [LogID: Result<LSN, AofError>] {
    checkpoint(requests: logs.map { Checkpointer.Request(log: $0) })
  }

  func checkpoint(requests: [Checkpointer.Request]) -> [LogID: Result<LSN, AofError>] {
    let results = services.checkpointer.checkpoint(requests)
    for wal in state.withLock({ $0.walsInOrder }) { queueRelease(of: wal) }
    // What was uploaded may go now.
    if services.cache.isTight { queueEviction() }
    return results
  }

  /// Checkpoints every log, those in the trash too. - Throws: the first failure; the other logs are checkpointed all the
  /// same.
  public func checkpoint() throws(AofError) {
    var all: [Aof] = []
    for id in logIDs() + nameSpace.trash.map(\.log) {
      do throws(AofError) {
        all.append(try log(id))
      } catch where error.code == .notFound {
        // Purged meanwhile.
      }
    }
    let results = checkpoint(all)
    for log in all { _ = try results[log.id]?.get() }
    try publishNames()
  }

  /// Tells the remote of directories that changed and logs that were purged in the background, if there is such news.
  /// Waits for the remote.
  package func publishNames() throws(AofError) {
    if try hasUnpublishedNames() { try services.checkpointer.publishNames(purged: []) }
  }

  func hasUnpublishedNames() throws(AofError) -> Bool { try services.manifest.hasUnpublishedNames() }
}
