import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem
import Logging

/// Makes a new manifest for a store that has lost its own, of what is there: what can be read of the old one, the chunk
/// files, the WAL, and the remote. INVARIANT: who runs it holds the store's lock.
///
/// Nothing is deleted, and until the last rename nothing of the old state is replaced, so it can be run again whenever it
/// was cut short: the chunk files get bytes that the WAL proves, past everything that is proven otherwise; the remote
/// gets a snapshot of an epoch above all others.
struct StoreRebuild {
  let layout: StoreLayout
  let sources: RecoverySources
  let environment: Environment
  private let settings: StoreSettings
  let observation: Observation
  private let localChunks: LocalChunkStore
  private var frames: [LogID: LogRebuild.Frames] = [:]
  private var walDirectories: [WalDirectoryRecord] = []

  private(set) var logs: [(log: AofDescriptorRecord, extents: [AofChunkRecord])] = []
  var notes: [String] = []

  init(
    _ layout: StoreLayout, _ sources: RecoverySources, _ options: RecoverOptions, _ environment: Environment,
    settings: StoreSettings, logger: Logger
  ) throws(AofError) {
    self.layout = layout
    self.sources = sources
    self.environment = environment
    self.settings = settings
    observation = Observation(clock: environment.clock, logger: logger)
    localChunks = LocalChunkStore(environment.disk)
    walDirectories = sources.survey.walDirectories
    let wal = settings.walDirectory
    if !walDirectories.contains(where: { layout.resolve($0.path) == layout.resolve(wal) }) {
      let id = (walDirectories.map(\.id.rawValue).max() ?? 0) + 1
      walDirectories.append(WalDirectoryRecord(id: WalDirectoryID(rawValue: id), path: wal, firstSequence: 1))
    }
  }

  /// Finds the logs and replays the WAL on them. - Returns: what the new manifest is to hold, but for the remote's sequence.
  mutating func run() throws(AofError) -> ManifestContent {
    try scanWals()
    try rebuildLogs()
    try replayWals()
    try keepUnproven()
    return try content()
  }

  // MARK: The WAL

  private mutating func scanWals() throws(AofError) {
    for directory in walDirectories {
      let path = layout.resolve(directory.path)
      try environment.disk.createDirectory(path)
      for segment in try segments(of: directory) {
        let bytes = try WalBytes(segment, environment.disk)
        guard bytes.header?.storeID == sources.storeID else { continue }
        bytes.forEachFrame { note($0) }
      }
    }
  }

  /// The paths of the segments that count.
  private func segments(of directory: WalDirectoryRecord) throws(AofError) -> [String] {
    let path = layout.resolve(directory.path)
    return try environment.disk.list(path).filter {
      (WalSegment.sequence(ofFileName: $0) ?? 0) >= max(1, directory.firstSequence)
    }.map { path + "/" + $0 }
  }

  private mutating func note(_ frame: WALFrameHeader) {
    frames[frame.logID, default: LogRebuild.Frames(frame)].add(frame)
  }

  private mutating func replayWals() throws(AofError) {
    for index in walDirectories.indices {
      let directory = walDirectories[index]
      let own = logs.map(\.log).filter { $0.walDirectory == directory.id }
      var recovery = WalRecovery(
        directory: WalDirectoryRecord(
          id: directory.id, path: layout.resolve(directory.path), firstSequence: directory.firstSequence),
        logs: own, storeID: sources.storeID, environment: environment, chunks: localChunks, observation: observation,
        evidenceDirectory: layout.evidence)
      try recovery.run()
      var isLost = false
      for place in logs.indices {
        guard let log = recovery.logs[logs[place].log.id] else { continue }
        let tookAppends = logs[place].log.failure == nil
        logs[place].log = log.recovered
        // An opening closes a log that lacks bytes, so that somebody looks at it; this is the look.
        if tookAppends, log.recovered.failure != nil {
          logs[place].log.failure = nil
          cut.insert(log.record.id)
        }
        guard let end = frames[log.record.id]?.end, end > log.tail, tookAppends else { continue }
        isLost = true
        notes.append(
          "log \(log.record.id): the WAL has frames up to LSN \(end), and what lies before them from LSN \(log.tail) on "
            + "cannot be proven, so the log ends there")
      }
      if isLost { try keepSegments(of: directory) }
      walDirectories[index].firstSequence = recovery.nextSequence
    }
    notes += observation.incidents.map(\.message)
  }

  private mutating func keepSegments(of directory: WalDirectoryRecord) throws(AofError) {
    let evidence = Evidence(layout, environment)
    for path in try segments(of: directory) {
      let file = try environment.disk.open(path, .read)
      let name = path.split(separator: "/").last.map(String.init) ?? "segment"
      if let copy = try evidence.keep(0..<file.size(), of: file, as: name) { notes.append("\(path) is kept as \(copy)") }
    }
  }

  // MARK: Logs

  private mutating func rebuildLogs() throws(AofError) {
    let old = Dictionary(sources.survey.logs.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
    let object = sources.remote.map {
      ObjectCheck(RemoteChunkStore(store: $0, crc32c: { CRC32C.checksum($1, continuing: $0) }, random: environment.random))
    }
    let wal = walDirectories.first { layout.resolve($0.path) == layout.resolve(settings.walDirectory) }
    guard let wal else { return }
    // Of a log that was purged the remote may not have been told, and frames may be left: it stays gone.
    let purged = Set(sources.survey.purged.map(\.log))
    for id in Set(old.keys).union(sources.state.logs.keys).union(frames.keys).subtracting(purged).sorted() {
      let directory = old[id]?.dataDirectory ?? StoreLayout.defaultChunks
      localChunks.register(id, directory: layout.resolve(directory))
      let guessed = try chunkSize(of: id)
      var problems: [String] = []
      var rebuild = LogRebuild(
        id, old: old[id], oldExtents: sources.manifest?.surveyExtents(of: id, &problems) ?? [],
        remote: sources.state.logs[id], remoteExtents: sources.state.extents(of: id), frames: frames[id],
        chunkSize: old[id]?.chunkSize ?? sources.state.logs[id]?.chunkSize ?? guessed,
        localChunks: localChunks, object: object)
      let known = walDirectories.contains { $0.id == old[id]?.walDirectory }
      let record = try rebuild.run(
        walDirectory: known ? old[id]?.walDirectory ?? wal.id : wal.id, dataDirectory: directory)
      notes += problems.map { "the old manifest, log \(id): \($0)" } + rebuild.notes
      logs.append((record, rebuild.extents))
      if rebuild.isCut { cut.insert(id) }
      keptObjects += rebuild.leftBehind.map { (key: $0.text, log: id) }
    }
  }

  /// Objects that no sweep is to delete.
  private var keptObjects: [(key: String, log: LogID)] = []

  /// Logs that may have had bytes which are lost: an LSN past their tail may be one that somebody has seen.
  private var cut: Set<LogID> = []

  /// Of a log that only its files and the WAL tell of: all of its chunk files but the last are of that size.
  private func chunkSize(of id: LogID) throws(AofError) -> ChunkSize {
    var largest = 0
    for (_, file) in try chunkFiles(of: id, in: StoreLayout.defaultChunks) { largest = max(largest, try file.size()) }
    var size = settings.chunkSize
    if let exact = try? ChunkSize(ByteCount(rawValue: UInt64(largest))) { size = exact }
    return size
  }

  private func chunkFiles(of id: LogID, in directory: String) throws(AofError) -> [(ChunkID, File)] {
    let path = layout.resolve(directory) + "/" + FixedWidthNumber.hex(id.rawValue)
    guard environment.disk.exists(path) else { return [] }
    var files: [(ChunkID, File)] = []
    for name in try environment.disk.list(path) {
      guard let chunk = FileAudit.chunk(ofFileName: name) else { continue }
      files.append((chunk, try environment.disk.open(path + "/" + name, .read)))
    }
    return files
  }

  // MARK: What is left out

  /// Copies what the chunk files hold past each tail, and below a head that nothing tells of, to the evidence: later
  /// appends would overwrite it. Files of logs that nothing else tells of stay where they are.
  private mutating func keepUnproven() throws(AofError) {
    let evidence = Evidence(layout, environment)
    for place in logs.indices {
      let log = logs[place].log
      var isLeft = false
      for (chunk, file) in try chunkFiles(of: log.id, in: log.dataDirectory) {
        let start = log.chunkSize.chunkStart(chunk)
        let size = try file.size()
        let from = log.applied <= start ? 0 : min(size, log.applied - start)
        let name = "\(FixedWidthNumber.hex(log.id.rawValue))-\(FixedWidthNumber.hex(chunk.rawValue))"
        if from < size, let copy = try evidence.keep(from..<size, of: file, as: name) {
          isLeft = true
          notes.append("log \(log.id): bytes of chunk \(chunk) from LSN \(start + from) on cannot be proven; kept as \(copy)")
        }
      }
      let isUnknown = !sources.survey.logs.contains { $0.id == log.id }
      if isLeft || isUnknown || cut.contains(log.id) { cutGeneration(&logs[place].log) }
    }
    let known = Set(logs.map { FixedWidthNumber.hex($0.log.id.rawValue) })
    let directory = layout.resolve(StoreLayout.defaultChunks)
    for name in try environment.disk.exists(directory) ? environment.disk.list(directory) : []
    where !known.contains(name) {
      notes.append("\(directory)/\(name): nothing proves what these files hold, so no log was made of them; they stay")
    }
  }

  private func cutGeneration(_ log: inout AofDescriptorRecord) {
    guard let next = log.generation.next else {
      log.failure = "the log has used up its generations"
      return
    }
    log.generation = next
    log.generationStart = log.applied
  }

  // MARK: The new manifest

  private func content() throws(AofError) -> ManifestContent {
    let (survey, state) = (sources.survey, sources.state)
    let names = survey.names
    let old = Dictionary(survey.nodes.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
    var rebuild = NameRebuild(
      nextNode: try nextNode(), now: environment.clock.now(), owner: (PathFacts.userID, PathFacts.groupID),
      root: old[.root]?.attributes ?? state.directories[.root].map { NodeAttributes($0.attributes) })
    var directories: [(NodeID, LogPath, NodeAttributes)] = []
    for node in survey.nodes where node.kind == .directory {
      if let path = names.path(of: node.id) { directories.append((node.id, path, node.attributes)) }
    }
    // Of a directory that was removed the remote may not have been told.
    let changed = Set(survey.changedDirectories.map(\.id))
    for directory in state.directories.values where old[directory.id] == nil && !changed.contains(directory.id) {
      directories.append((directory.id, directory.path, NodeAttributes(directory.attributes)))
    }
    for (id, path, attributes) in directories.sorted(by: { ($0.1.names.count, $0.0) < ($1.1.names.count, $1.0) }) {
      try rebuild.addDirectory(id, path, attributes)
    }
    let trash = Dictionary(survey.trash.map { ($0.log, $0) }, uniquingKeysWith: { $1 })
    for (log, _) in logs {
      let remote = state.logs[log.id]
      let attributes = old[log.id]?.attributes ?? remote.map { NodeAttributes($0.attributes) }
      let path = old[log.id].flatMap { names.path(of: $0.id) }
      if path == nil, let record = trash[log.id] ?? remote.flatMap(TrashRecord.init) {
        rebuild.addTrashed(record, attributes)
      } else {
        _ = try rebuild.addLog(log.id, path ?? remote?.path, attributes)
      }
    }
    return ManifestContent(
      settings: settings, nodes: rebuild.nodes.values.sorted { $0.id < $1.id }, walDirectories: walDirectories,
      logs: logs, trash: rebuild.trash, purged: survey.purged, nextNode: rebuild.nextNode, epoch: try epoch(),
      remoteSequence: state.sequence, keptObjects: keptObjects + (sources.manifest?.keptObjects() ?? []))
  }

  /// Above every id that was ever used.
  private func nextNode() throws(AofError) -> UInt64 {
    var ids = sources.survey.nodes.map(\.id.rawValue) + logs.map(\.log.id.rawValue)
    ids += sources.state.logs.keys.map(\.rawValue) + sources.state.directories.keys.map(\.rawValue)
    ids += sources.survey.purged.map(\.log.rawValue)
    ids.append((sources.survey.counters[Manifest.nextNode] ?? 2) - 1)
    let directory = layout.resolve(StoreLayout.defaultChunks)
    if environment.disk.exists(directory) {
      ids += try environment.disk.list(directory).compactMap { UInt64($0, radix: 16) }
    }
    let highest = max(1, ids.max() ?? 1)
    guard highest < UInt64(Int64.max) - 1 << 32 else { throw AofError(.corrupt, "the store has used up its ids") }
    return highest + 1
  }

  /// An epoch that no opening of the old store directory can reach: each only counts up the lower half.
  private func epoch() throws(AofError) -> UInt64 {
    let highest = max(sources.state.highestEpoch, sources.survey.counters[Manifest.epochCounter] ?? 0)
    guard highest >> 32 < UInt64(Int32.max) - 1 else { throw AofError(.corrupt, "the store has used up its epochs") }
    return (highest >> 32 + 1) << 32
  }
}

extension TrashRecord {
  /// Nil unless the remote has the log in the trash.
  fileprivate init?(_ log: RemoteLogRecord) {
    guard let deletedAt = log.deletedAt else { return nil }
    self.init(log: log.id, path: log.path, deletedAt: deletedAt)
  }
}
