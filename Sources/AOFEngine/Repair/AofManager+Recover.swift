import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem
import Logging

extension AofManager {
  /// Makes a new manifest for a store whose own is damaged or lost, or a whole store of its remote alone. The old manifest
  /// is kept; old copies of the store can publish nothing to the remote any more. A store whose manifest is sound stays as
  /// it is. It can be run again whenever it was cut short.
  /// - Throws: `notFound`, also for a WAL directory that the manifest names; `notAStore`, `newerVersion`; `locked` for a
  ///   store that is in use; `alreadyExists` for a place that is taken; `corrupt` for a remote whose chain is damaged; local failures and `remoteFailure`.
  public static func recover(
    _ path: String, _ options: RecoverOptions = RecoverOptions(), logger: Logger = Logger(label: "aofs")
  ) throws(AofError) -> RecoverReport {
    try recover(path, options, environment: .system, remote: nil, logger: logger)
  }

  /// As the above, on another disk or clock, or with another remote in the place of the one that is named.
  package static func recover(
    _ path: String, _ options: RecoverOptions, environment: Environment, remote: (any RemoteStore)? = nil,
    logger: Logger = Logger(label: "aofs")
  ) throws(AofError) -> RecoverReport {
    let old = StoreLayout(root: try PathFacts.absolute(path))
    let new = StoreLayout(root: try options.into.map { path throws(AofError) in try PathFacts.absolute(path) } ?? old.root)
    let recovery = StoreRecovery(old: old, new: new, options: options, environment: environment, given: remote)
    try recovery.checkPlaces()
    let lock = try StoreLock.acquire(new, mountPoint: nil, disk: environment.disk)
    defer { lock.release() }
    let oldLock = old.root == new.root ? nil : try StoreLock.acquireForReading(old, disk: environment.disk)
    defer { oldLock?.release() }
    return try recovery.run(logger: logger)
  }
}

/// The steps from a damaged store, or none, to a sound one.
struct StoreRecovery {
  let old: StoreLayout
  let new: StoreLayout
  let options: RecoverOptions
  let environment: Environment
  let given: (any RemoteStore)?

  private var disk: any Disk { environment.disk }

  /// Makes the directory of the new store, if it is another than the old one's.
  func checkPlaces() throws(AofError) {
    let exists = disk.exists(old.root)
    guard exists || options.remote != nil || given != nil else {
      throw AofError(
        .notFound, "there is no store \(old.root)", remedy: "name the remote to make it of with --remote")
    }
    if old.root == new.root {
      let isStore = disk.exists(old.manifest) || disk.exists(old.resolve(StoreLayout.defaultChunks))
        || disk.exists(old.lock)
      let isVacant = try exists ? disk.list(old.root).isEmpty : true
      guard isStore || isVacant else {
        throw AofError(.notAStore, "\(old.root) is not empty, and not a store of aofs")
      }
    } else if disk.exists(new.root) {
      // What an earlier try has left is taken up again.
      let isVacant = try disk.list(new.root).isEmpty
      guard isVacant || (disk.exists(new.newManifest) && !disk.exists(new.manifest)) else {
        throw AofError(.alreadyExists, "\(new.root) is not empty", remedy: "name a new directory")
      }
    }
    try disk.createDirectory(new.root)
  }

  func run(logger: Logger) throws(AofError) -> RecoverReport {
    try finishMoving()
    let sources = try RecoverySources(old, options, environment, remote: given)
    var report = RecoverReport(store: new.root)
    if old.root == new.root, try sources.isSound(old, disk) {
      report.wasSound = true
      return report
    }
    let isThere = sources.manifest != nil || sources.remote != nil || sources.hasWal
    guard isThere || disk.exists(old.resolve(StoreLayout.defaultChunks)) else {
      throw AofError(
        .notFound, "\(old.root) has neither manifest nor WAL nor chunk files, and no remote is known",
        remedy: "name the remote with --remote, and the WAL with --wal-dir if it is elsewhere")
    }
    try checkWals(sources)
    if old.root != new.root {
      try refuseOutsideDirectories(sources)
      try copyFiles()
    }
    var rebuild = try StoreRebuild(
      new, sources, options, environment, settings: settings(sources), logger: logger)
    var content = try rebuild.run()
    if sources.remote != nil { content.remoteSequence = try publish(content, sources) }
    report.notes = sources.survey.problems.map { "the old manifest: \($0)" } + rebuild.notes
    report.oldManifest = try replaceManifest(content)
    let names = ManifestNames(nodes: content.nodes, trash: content.trash, nextNode: nil)
    report.logs = content.logs.compactMap { log, _ in
      names.path(of: log.id).map {
        RecoverReport.Log(path: $0, id: log.id, head: log.head, remote: log.remote, tail: log.applied)
      }
    }.sorted { $0.path < $1.path }
    report.notes += content.trash.map { "log \($0.log), once '\($0.path)', is in the trash" }
    return report
  }

  private func settings(_ sources: RecoverySources) throws(AofError) -> StoreSettings {
    let known = sources.survey.settings
    let inside = sources.location == (try RemoteLocation(parsing: StoreLayout.defaultRemote, workingDirectory: new.root))
    let wal = try options.walDirectory.map { path throws(AofError) in
      try PathFacts.absolute(path) + "/\(sources.storeID)"
    }
    return StoreSettings(
      storeID: sources.storeID.description,
      chunkSize: known?.chunkSize ?? sources.state.logs.values.map(\.chunkSize).max { $0.byteCount < $1.byteCount }
        ?? .standard,
      cacheSize: known?.cacheSize ?? .gibibytes(10), trashAge: known?.trashAge ?? .standard,
      remote: inside ? StoreLayout.defaultRemote : sources.location.description,
      walDirectory: wal ?? known?.walDirectory ?? StoreLayout.defaultWal)
  }

  // MARK: Files

  /// A WAL that is not there may be on a disk that is not mounted: made without it, the new manifest would void what it has.
  private func checkWals(_ sources: RecoverySources) throws(AofError) {
    var known = sources.survey.walDirectories.map(\.path)
    if options.walDirectory == nil, let settings = sources.survey.settings { known.append(settings.walDirectory) }
    for path in known.map(old.resolve) where !disk.exists(path) {
      throw AofError(
        .notFound, "the WAL directory \(path) is missing; the ends of logs may be in it",
        remedy: "mount the disk that holds it; if it is lost for good, create the directory, and recover what is left")
    }
  }

  /// Two stores must not share directories: what the one recycles the other would lose.
  private func refuseOutsideDirectories(_ sources: RecoverySources) throws(AofError) {
    let used = sources.survey.walDirectories.map(\.path) + sources.survey.logs.map(\.dataDirectory)
      + [options.walDirectory].compactMap { $0 }
    guard let outside = used.first(where: { $0.hasPrefix("/") }) else { return }
    throw AofError(
      .unsupported, "the store keeps files in \(outside), and a store made elsewhere would share them",
      remedy: "copy the damaged store's directory, and recover it in its place, without --into")
  }

  /// Copies chunk files and WAL segments to the new store; runs of zeros become holes.
  private func copyFiles() throws(AofError) {
    _ = try disk.open(new.newManifest, .readWriteCreate)
    for directory in [StoreLayout.defaultChunks, StoreLayout.defaultWal] where disk.exists(old.resolve(directory)) {
      try copyDirectory(old.resolve(directory), to: new.resolve(directory))
    }
  }

  private func copyDirectory(_ source: String, to target: String) throws(AofError) {
    try disk.createDirectory(target)
    for name in try disk.list(source) {
      let (from, to) = (source + "/" + name, target + "/" + name)
      do throws(AofError) {
        try disk.checkDirectory(from)
      } catch where error.code == .notADirectory {
        try copyFile(from, to)
        continue
      }
      try copyDirectory(from, to: to)
    }
    try disk.syncDirectory(target)
  }

  private func copyFile(_ from: String, _ to: String) throws(AofError) {
    let (source, target) = (try disk.open(from, .read), try disk.open(to, .readWriteCreate))
    let size = try source.size()
    try target.truncate(0)
    try target.truncate(size)
    try source.forEachPiece(in: 0..<size) { piece, offset throws(AofError) in try target.write(piece, at: offset) }
    try target.syncData()
  }

  // MARK: The manifest

  /// A crash may have come between moving the old manifest aside and its journal.
  private func finishMoving() throws(AofError) {
    guard !disk.exists(new.manifest), disk.exists(Manifest.journal(of: new.manifest)) else { return }
    let aside = try disk.list(new.root).filter { $0.hasPrefix(StoreLayout.damagedPrefix) && !$0.hasSuffix("-wal") }.max()
    guard let aside else { return }
    try disk.rename(Manifest.journal(of: new.manifest), to: Manifest.journal(of: new.root + "/" + aside))
    try disk.syncDirectory(new.root)
  }

  /// Puts the new manifest in the place of the old one, which is moved aside with its journal first.
  /// - Returns: where the old one is; nil if there was none.
  private func replaceManifest(_ content: ManifestContent) throws(AofError) -> String? {
    for name in try disk.list(new.root) where StoreLayout.isUnfinished(name) { try disk.remove(new.root + "/" + name) }
    try Manifest.create(new.newManifest, content)
    try disk.open(new.newManifest, .readWrite).syncData()
    try disk.createDirectory(new.resolve(StoreLayout.defaultChunks))
    var aside: String?
    if disk.exists(new.manifest) {
      let time = UInt64(clamping: environment.clock.now().rawValue)
      let path = new.root + "/" + StoreLayout.damagedPrefix + FixedWidthNumber.decimal(time)
      try disk.rename(new.manifest, to: path)
      try disk.syncDirectory(new.root)
      aside = path
    }
    try finishMoving()
    let shared = new.manifest + "-shm"
    if disk.exists(shared) { try disk.remove(shared) }
    try disk.rename(new.newManifest, to: new.manifest)
    try disk.syncDirectory(new.root)
    return aside
  }

  // MARK: The remote

  /// Publishes what was recovered as a snapshot, with an epoch above all others: whoever has another copy of the store is
  /// fenced from now on. - Returns: the snapshot's number.
  private func publish(_ content: ManifestContent, _ sources: RecoverySources) throws(AofError) -> UInt64 {
    let store = if let given { given } else { try sources.location.open(create: false) }
    let chain = try RemoteManifestStore(store, storeID: content.settings.storeID, create: false)
    var record = snapshot(content, sources.state.sequence + 1)
    if record.entryCount > environment.snapshotLimit { record = sources.state.delta(saying: record) }
    switch try chain.publish(record) {
    case .published: return record.sequence
    case .taken(let other):
      throw AofError(
        .busy, "\(store): another copy of the store published \(other) meanwhile",
        remedy: "end whatever has the store open, and recover again")
    }
  }

  private func snapshot(_ content: ManifestContent, _ sequence: UInt64) -> RemoteManifestRecord {
    var record = RemoteManifestRecord(
      storeID: content.settings.storeID, sequence: sequence, epoch: content.epoch,
      writerNonce: environment.random(), kind: .snapshot, time: environment.clock.now())
    let names = ManifestNames(nodes: content.nodes, trash: content.trash, nextNode: nil)
    let deletions = Dictionary(content.trash.map { ($0.log, $0.deletedAt) }, uniquingKeysWith: { $1 })
    let nodes = Dictionary(content.nodes.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
    for node in content.nodes where node.kind == .directory {
      guard let path = names.path(of: node.id) else { continue }
      record.directories.append(
        RemoteDirectoryRecord(id: node.id, path: path, attributes: RemoteNodeAttributes(node.attributes)))
    }
    for (log, extents) in content.logs {
      let published = extents.prefix { $0.object != nil }
      guard let node = nodes[log.id], let path = names.path(of: log.id) ?? names.oldPath(of: log.id) else { continue }
      record.logs.append(
        RemoteLogRecord(
          id: log.id, path: path, attributes: RemoteNodeAttributes(node.attributes), chunkSize: log.chunkSize,
          generation: log.generation, headLSN: min(log.head, log.remote), remoteLSN: log.remote,
          deletedAt: deletions[log.id]))
      for object in published.compactMap(\.object) {
        guard let key = try? ObjectKey(parsing: object.key) else { continue }
        record.extents.append(
          RemoteExtentRecord(
            key: key, objectSize: object.size, objectCRC32C: object.checksum,
            frameCount: UInt32(truncatingIfNeeded: object.frameLengths.count)))
      }
    }
    return record
  }
}
