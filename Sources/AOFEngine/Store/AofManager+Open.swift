import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem
import Logging

extension AofManager {
  /// Opens a store, recovering what a crash left behind; creates it if the options say so. Blocks on the local disk,
  /// and on the remote's if that is a directory elsewhere.
  ///
  /// The store is held until ``close()``.
  /// - Throws: `notFound`; `notAStore`; `newerVersion`; `locked`, naming process and mount point; `corrupt`;
  ///   `invalidArgument` for options that differ from what the store was created with.
  public static func open(
    _ path: String, options: StoreOptions = StoreOptions(), logger: Logger = Logger(label: "aofs")
  ) throws(AofError) -> AofManager {
    try open(path, options: options, logger: logger, environment: .system, remote: nil)
  }

  /// As the above, on another disk or clock, or with another remote in the place of the one that is named.
  package static func open(
    _ path: String, options: StoreOptions, logger: Logger = Logger(label: "aofs"),
    environment: Environment = .system, remote: (any RemoteStore)? = nil
  ) throws(AofError) -> AofManager {
    let opening = try StoreOpening(
      path, options: options, logger: logger, environment: environment, remote: remote)
    let manager = try opening.reserve.tidingOver { () throws(AofError) in try opening.run() }
    for wal in manager.state.withLock({ $0.walsInOrder }) { manager.watch(wal) }
    manager.startCache()
    manager.queueFreeingOfLeftovers()
    try manager.startPurging()
    try manager.startCheck()
    try manager.startCheckpoints(options.checkpoints)
    return manager
  }
}

/// The steps from a path to an open store.
struct StoreOpening {
  private let layout: StoreLayout
  private let options: StoreOptions
  private let environment: Environment
  private let observation: Observation
  private let givenRemote: (any RemoteStore)?
  let reserve: SpaceReserve

  init(
    _ path: String, options: StoreOptions, logger: Logger, environment: Environment, remote: (any RemoteStore)?
  ) throws(AofError) {
    layout = StoreLayout(root: try PathFacts.absolute(path))
    self.options = options
    self.environment = environment
    givenRemote = remote
    observation = Observation(clock: environment.clock, logger: logger)
    reserve = SpaceReserve(layout, size: options.reserve, disk: environment.disk)
  }

  func run() throws(AofError) -> AofManager {
    let isNew = try checkDirectory()
    let lock = try StoreLock.acquire(layout, mountPoint: options.mountPoint, disk: environment.disk)
    if isNew {
      try checkNewBucket()
      try createManifest()
    }
    try checkJournal()
    let manifest = try Manifest.open(layout.manifest)
    try check(manifest)
    let settings = try reconcile(manifest)
    let storeID = try Self.storeID(settings)
    let remote = if let givenRemote { givenRemote } else { try openRemote(settings, manifest) }
    let past = try manifest.sealedPast()
    let localChunks = LocalChunkStore(
      environment.disk, togetherFrom: environment.logsSyncedTogether, usage: CacheUsage(limit: settings.cacheSize))
    // Before the names are read: the times of what comes back are among theirs.
    let (descriptors, wals) = try recover(manifest, localChunks, storeID: storeID)
    let nameSpace = try NameSpace(manifest)
    let checkpointer = try Checkpointer(
      manifest: manifest, nameSpace: nameSpace, remote: remote, environment: environment, reserve: reserve,
      observation: observation, storeID: settings.storeID, epoch: try manifest.beginEpoch(), past: past,
      grace: options.remoteGrace)
    let services = EngineServices(
      environment: environment, manifest: manifest, localChunks: localChunks,
      remoteChunks: RemoteChunkStore(
        store: remote, crc32c: { CRC32C.checksum($1, continuing: $0) }, random: environment.random),
      hydrator: Hydrator(try environment.makeQueue(.hydration), budget: try prefetchMemory()),
      checkpointer: checkpointer,
      maintenance: try environment.makeQueue(.maintenance), compression: try environment.makeQueue(.compression),
      compressionLevel: options.compressionLevel, observation: observation, reserve: reserve)
    reserve.refill()
    return AofManager(
      layout: layout, services: services, nameSpace: nameSpace,
      state: AofManager.State(settings: settings, descriptors: descriptors, wals: wals), lock: lock,
      residentTail: options.residentTail)
  }

  // MARK: The manifest

  /// SQLite passes over damaged transactions in silence, and its journal is gone once the manifest is open.
  private func checkJournal() throws(AofError) {
    guard let problem = try Manifest.journalProblem(of: layout.manifest, on: environment.disk) else { return }
    let journal = try environment.disk.open(Manifest.journal(of: layout.manifest), .read)
    let copy = try Evidence(layout, environment).keep(0..<journal.size(), of: journal, as: "manifest.sqlite-wal")
    observation.report(.damage, "the manifest: \(problem)" + (copy.map { "; the journal is kept as \($0)" } ?? ""))
  }

  /// What would lead astray: names that are no tree, ids that would be used twice. Of a log that is damaged otherwise the
  /// others need not know. The rest is checked beside, once the store is open.
  private func check(_ manifest: Manifest) throws(AofError) {
    let names = ManifestNames(
      nodes: try manifest.nodes(), trash: try manifest.trash(), nextNode: try manifest.nextNodeID())
    if let problem = names.problems.first {
      throw AofError(
        .corrupt, "the manifest \(layout.manifest) is damaged: \(problem)",
        remedy: "'aofs verify' tells more, and 'aofs recover' makes a new one of what can be read")
    }
    for problem in names.problems(with: try manifest.logs(), try manifest.walDirectories()) {
      observation.report(.damage, "the manifest: \(problem)")
    }
  }

  static func storeID(_ settings: StoreSettings) throws(AofError) -> StoreID {
    guard let id = StoreID(settings.storeID) else {
      throw AofError(.corrupt, "the manifest has the impossible store id '\(settings.storeID)'")
    }
    return id
  }

  // MARK: The directory

  /// Returns whether the store must be created.
  private func checkDirectory() throws(AofError) -> Bool {
    let disk = environment.disk
    if disk.exists(layout.manifest) {
      // Whoever gave it its name may have been killed before that was durable.
      try disk.syncDirectory(layout.root)
      return false
    }
    guard !disk.exists(layout.resolve(StoreLayout.defaultChunks)) else {
      throw AofError(
        .corrupt, "the store \(layout.root) has lost its manifest, \(layout.manifest)",
        remedy: "change nothing there, and run 'aofs recover' on it, or restore the manifest from a backup")
    }
    guard options.createIfMissing else {
      throw AofError(
        disk.exists(layout.root) ? .notAStore : .notFound, "\(layout.root) is not a store of aofs",
        remedy: "'aofs mount' creates one")
    }
    try disk.createDirectory(layout.root)
    do throws(AofError) {
      guard try layout.isVacant(disk) else {
        throw AofError(
          .notAStore, "\(layout.root) is not empty, and not a store of aofs",
          remedy: "name an empty or a new directory")
      }
    } catch where error.code == .system(errno: 20) {
      throw AofError(.notAStore, "\(layout.root) is not a directory", remedy: "name an empty or a new directory")
    }
    return true
  }

  private func createManifest() throws(AofError) {
    let disk = environment.disk
    // Another process may have created the store while we waited for nothing but the lock.
    if disk.exists(layout.manifest) { return }
    for name in try disk.list(layout.root) where name.hasPrefix("manifest.sqlite.new") {
      try disk.remove(layout.root + "/" + name)
    }
    let storeID = StoreID(high: environment.random(), low: environment.random()).description
    let walDirectory = try options.walDirectory.map { path throws(AofError) in
      try PathFacts.absolute(path) + "/" + storeID
    }
    let settings = StoreSettings(
      storeID: storeID, chunkSize: options.chunkSize ?? .standard, cacheSize: options.cacheSize ?? .gibibytes(10),
      trashAge: options.trashAge ?? .standard,
      remote: try requestedRemote()?.settled.description ?? StoreLayout.defaultRemote,
      walDirectory: walDirectory ?? StoreLayout.defaultWal)
    let now = environment.clock.now()
    let root = NodeRecord(
      id: .root, kind: .directory, parent: .root, name: nil,
      attributes: NodeAttributes(
        mode: 0o755, userID: PathFacts.userID, groupID: PathFacts.groupID, now: now))
    try disk.createDirectory(layout.resolve(settings.walDirectory))
    let manifest = try Manifest.create(layout.newManifest, settings: settings, root: root)
    _ = try manifest.addWalDirectory(settings.walDirectory)
    try manifest.close()
    try disk.rename(layout.newManifest, to: layout.manifest)
    try disk.syncDirectory(layout.root)
  }

  /// Asks a bucket whether it is there before a store names it for good: the name may be misspelt.
  private func checkNewBucket() throws(AofError) {
    guard givenRemote == nil, case .s3(let location)? = try requestedRemote()?.settled else { return }
    _ = try RemoteLocation.s3(location).open(create: true)
  }

  /// The remote. A directory is created as long as nothing was published to it; later one that is not there is away, not
  /// new. A bucket was there when the store was created.
  private func openRemote(_ settings: StoreSettings, _ manifest: Manifest) throws(AofError) -> any RemoteStore {
    let location = try RemoteLocation(parsing: settings.remote, workingDirectory: layout.root)
    let observation = observation
    let report: @Sendable (String) -> Void = { observation.report(.remote, $0) }
    let mayCreate: @Sendable () throws(AofError) -> Bool = { () throws(AofError) in
      if case .directory = location { try manifest.remoteSequence() == 0 } else { false }
    }
    let remote = ReopeningRemoteStore(location) { () throws(AofError) in
      try location.open(create: try mayCreate(), report: report)
    }
    if try mayCreate() {
      try remote.open()
      return remote
    }
    do throws(AofError) {
      try remote.open()
    } catch {
      observation.report(.remote, "the remote is not used for now: \(error)")
    }
    return remote
  }

  // MARK: Settings

  private func requestedRemote() throws(AofError) -> RemoteLocation? {
    try options.remote.map { text throws(AofError) in
      let location = try RemoteLocation(parsing: text, workingDirectory: try PathFacts.absolute("."))
      try location.checkUsable()
      return location
    }
  }

  /// The remote, which is fixed, with the settings that are asked for now: the way to a place may change.
  private func reconcileRemote(_ manifest: Manifest, _ stored: String) throws(AofError) -> RemoteLocation {
    let known = try RemoteLocation(parsing: stored, workingDirectory: layout.root)
    guard let requested = try requestedRemote() else { return known }
    try Self.check("remote", stored: known.place, requested: requested.place)
    let new = known.overridden(by: requested)
    if new != known { try manifest.setRemote(new.description) }
    return new
  }

  /// The stored settings, with absolute paths. - Throws: `invalidArgument` if the options ask for others.
  private func reconcile(_ manifest: Manifest) throws(AofError) -> StoreSettings {
    let stored = try manifest.settings()
    var settings = StoreSettings(
      storeID: stored.storeID, chunkSize: stored.chunkSize, cacheSize: stored.cacheSize,
      trashAge: stored.trashAge, remote: try reconcileRemote(manifest, stored.remote).description,
      walDirectory: layout.resolve(stored.walDirectory))
    try Self.check(
      "chunk size", stored: settings.chunkSize.description, requested: options.chunkSize?.description)
    let wal = try options.walDirectory.map { path throws(AofError) in
      try PathFacts.absolute(path) + "/" + stored.storeID
    }
    try Self.check("WAL directory", stored: settings.walDirectory, requested: wal)
    if let size = options.cacheSize, size != stored.cacheSize {
      try manifest.setCacheSize(size)
      settings.cacheSize = size
    }
    if let age = options.trashAge, age != stored.trashAge {
      try manifest.setTrashAge(age)
      settings.trashAge = age
    }
    return settings
  }

  private static func check(_ what: String, stored: String, requested: String?) throws(AofError) {
    guard let requested, requested != stored else { return }
    throw AofError(
      .invalidArgument, "the store was created with the \(what) \(stored), and \(requested) was asked for",
      remedy: "leave the option out to use \(stored)")
  }

  private func prefetchMemory() throws(AofError) -> Int {
    let least = Limits.minimumPrefetchMemory
    guard options.prefetchMemory.rawValue >= UInt64(least) else {
      throw AofError(
        .invalidArgument, "\(options.prefetchMemory) are too little memory for what comes from the remote",
        remedy: "use at least \(ByteCount(rawValue: UInt64(least)))")
    }
    return Int(clamping: options.prefetchMemory.rawValue)
  }

  // MARK: Recovery

  /// Brings the tails back and starts each WAL anew.
  private func recover(
    _ manifest: Manifest, _ chunks: LocalChunkStore, storeID: StoreID
  ) throws(AofError) -> ([LogID: AofDescriptorRecord], [WalDirectoryID: WriteAheadLog]) {
    var descriptors: [LogID: AofDescriptorRecord] = [:]
    for log in try manifest.logs() {
      descriptors[log.id] = log
      chunks.register(log.id, directory: layout.resolve(log.dataDirectory))
    }
    var wals: [WalDirectoryID: WriteAheadLog] = [:]
    for stored in try manifest.walDirectories() {
      let record = WalDirectoryRecord(
        id: stored.id, path: layout.resolve(stored.path), firstSequence: stored.firstSequence)
      guard environment.disk.exists(record.path) else {
        throw AofError(
          .notFound, "the WAL directory \(record.path) is missing; the ends of logs may be in it",
          remedy: "mount the disk that holds it")
      }
      var recovery = WalRecovery(
        directory: record, logs: descriptors.values.filter { $0.walDirectory == record.id }, storeID: storeID,
        environment: environment, chunks: chunks, observation: observation,
        evidenceDirectory: layout.evidence)
      try recovery.run()
      let wal = try WriteAheadLog(
        record: record, firstSequence: recovery.nextSequence, base: recovery.end, storeID: storeID,
        environment: environment, observation: observation)
      let news = recovery.logs.values.filter(\.hasNews)
      try manifest.recordApplied(news.map(\.progress), firstSequences: [record.id: recovery.nextSequence])
      for log in news { descriptors[log.record.id] = log.recovered }
      try recycleSegments(of: wal, before: recovery.nextSequence)
      wals[record.id] = wal
    }
    return (descriptors, wals)
  }

  private func recycleSegments(of wal: WriteAheadLog, before sequence: UInt64) throws(AofError) {
    let directory = wal.record.path
    for name in try environment.disk.list(directory) {
      guard let found = WalSegment.sequence(ofFileName: name), found < sequence else { continue }
      try wal.pool.recycle(directory + "/" + name)
    }
    try environment.disk.syncDirectory(directory)
  }
}
