import AOFCore
import AOFFormat
import AOFSystem

/// The chunk files of a store's logs, with a bounded number of them open.
///
/// Layout: `DIRECTORY/<log id, 16 hex digits>/<chunk id, 16 hex digits>.chunk` (docs/format/chunk.md).
public final class LocalChunkStore: Sendable {
  struct Key: Hashable {
    let log: LogID
    let chunk: ChunkID
  }

  /// An open file.
  final class Entry: @unchecked Sendable {  // the lock of `state`
    let file: ChunkFile
    var lastUse: UInt64
    /// Threads at work on the file, which keep it open.
    var users = 1
    /// Whether the file was written since it was opened.
    var isWritten = false

    init(_ file: ChunkFile, lastUse: UInt64) {
      self.file = file
      self.lastUse = lastUse
    }
  }

  struct State {
    var files: [Key: Entry] = [:]
    var uses: UInt64 = 0
    /// The directory of each log's chunk files.
    var directories: [LogID: String] = [:]
    /// Directories with names that may not survive power loss.
    var unsyncedDirectories: Set<LogID> = []
    /// Chunks that were written since their log was last synced.
    var dirtyChunks: [LogID: Set<ChunkID>] = [:]
    /// Logs whose directory has a name that survives power loss.
    var placed: Set<LogID> = []
    /// Logs that a thread is syncing.
    var syncing: Set<LogID> = []
    /// What the directories of logs' directories lie on.
    var volumes: [String: any Volume] = [:]
    /// Logs for which a sync of the volume failed.
    var failures: [LogID: AofError] = [:]

    /// The file, if it is open, for one thread more.
    mutating func use(_ key: Key) -> Entry? {
      guard let entry = files[key] else { return nil }
      uses += 1
      entry.lastUse = uses
      entry.users += 1
      return entry
    }
  }

  /// How many files stay open: descriptors are few, 1024 for the whole process on many systems.
  static let openFileLimit = min(384, max(16, PathFacts.descriptorLimit / 4))
  private let openFileLimit: Int

  let disk: any Disk
  let logsSyncedTogether: Int
  let state = Monitor(State())

  /// What the files take on the disk.
  let usage: CacheUsage

  /// - Parameters:
  ///   - logsSyncedTogether: as in ``Environment``.
  ///   - usage: a store without a quota counts for itself.
  ///   - openFileLimit: how many files stay open.
  init(
    _ disk: any Disk, togetherFrom logsSyncedTogether: Int = .max,
    usage: CacheUsage = CacheUsage(limit: ByteCount(rawValue: .max)), openFileLimit: Int = openFileLimit
  ) {
    self.disk = disk
    self.logsSyncedTogether = logsSyncedTogether
    self.usage = usage
    self.openFileLimit = openFileLimit
  }

  /// Says where a log's chunk files lie.
  func register(_ log: LogID, directory: String) {
    usage.add(log)
    state.withLock { $0.directories[log] = directory + "/" + FixedWidthNumber.hex(log.rawValue) }
  }

  // MARK: Bytes

  /// Writes bytes of a log at their place, over as many chunk files as they touch. `isCopy`: the remote holds them
  /// too, so that ``sync(_:)`` need not care for them.
  func write(
    _ bytes: UnsafeRawBufferPointer, of log: LogID, at lsn: LSN, chunkSize: ChunkSize, isCopy: Bool = false
  ) throws(AofError) {
    var done = 0
    while done < bytes.count {
      let span = chunkSize.firstSpan(of: (lsn + done)..<(lsn + bytes.count))
      let chunk = chunkSize.chunkID(for: span.lowerBound)
      let piece = UnsafeRawBufferPointer(rebasing: bytes[done..<(done + span.byteCount)])
      let key = Key(log: log, chunk: chunk)
      try withFile(key, creating: true) { file throws(AofError) in
        try file.write(piece, at: chunkSize.chunkOffset(for: span.lowerBound), isCopy: isCopy)
        // Only now: a sync that took the chunk off the list earlier has not covered the write.
        if !isCopy { state.withLock { $0.noteWrite(to: key) } }
        noteBlocks(of: file, key)
      }
      done += span.byteCount
    }
  }

  /// Reads bytes of one chunk; they must be in its file.
  /// - Throws: `corrupt` if the file is shorter or missing.
  func read(
    into buffer: UnsafeMutableRawBufferPointer, of log: LogID, at lsn: LSN, chunkSize: ChunkSize
  ) throws(AofError) {
    let chunk = chunkSize.chunkID(for: lsn)
    let count: Int
    do throws(AofError) {
      count = try withFile(Key(log: log, chunk: chunk), creating: false) { file throws(AofError) in
        try file.file.read(into: buffer, at: chunkSize.chunkOffset(for: lsn))
      }
    } catch where error.code == .notFound {
      throw AofError(.corrupt, "the file of chunk \(chunk) of log \(log) is missing", cause: error)
    }
    guard count == buffer.count else {
      throw AofError(.corrupt, "the file of chunk \(chunk) of log \(log) ends before LSN \(lsn + buffer.count)")
    }
  }

  /// Frees the disk space of a range of one chunk.
  func discard(_ range: Range<LSN>, of log: LogID, chunkSize: ChunkSize) throws(AofError) {
    let offset = chunkSize.chunkOffset(for: range.lowerBound)
    do throws(AofError) {
      let key = Key(log: log, chunk: chunkSize.chunkID(for: range.lowerBound))
      try withFile(key, creating: false) { file throws(AofError) in
        try file.file.punchHole(offset..<(offset + range.byteCount))
        noteBlocks(of: file, key)
      }
    } catch where error.code == .notFound {
      return
    }
  }

  // MARK: Truncation

  /// Removes the files of a log's chunks below `chunk`, which nobody will ask for again.
  func removeChunks(of log: LogID, below chunk: ChunkID) throws(AofError) {
    for (id, path) in try chunkFiles(of: log).sorted(by: { $0.id < $1.id }) where id < chunk {
      state.withLock { $0.files[Key(log: log, chunk: id)] = nil }
      try disk.remove(path)
      usage.forget(id, of: log)
    }
  }

  /// Removes all files of a log that nobody uses any more, and their directory, durably. Whoever asks for one of them
  /// from now on is told that the log is not open. `parent`: as for ``register(_:directory:)``.
  func removeAll(of log: LogID, in parent: String) throws(AofError) {
    let directory = parent + "/" + FixedWidthNumber.hex(log.rawValue)
    state.withLock { state in
      state.directories[log] = nil
      state.files = state.files.filter { $0.key.log != log }
      state.dirtyChunks[log] = nil
      state.unsyncedDirectories.remove(log)
      state.placed.remove(log)
      state.failures[log] = nil
    }
    usage.forget(log)
    try unlessGone { () throws(AofError) in
      for name in try disk.list(directory) {
        try unlessGone { () throws(AofError) in try disk.remove(directory + "/" + name) }
      }
      try disk.syncDirectory(directory)
      try disk.removeDirectory(directory)
    }
    // A directory that is gone already may have been removed by a process that was killed before it synced that.
    if disk.exists(parent) { try disk.syncDirectory(parent) }
  }

  /// Runs `body`, which may find that another thread did the same: a purge that was asked for, and one in the background.
  private func unlessGone(_ body: () throws(AofError) -> Void) throws(AofError) {
    do { try body() } catch { if error.code != .notFound { throw error } }
  }

  /// Frees the disk space of a log from `lsn` on. The files stay: a thread may have one open that will be written again.
  func discard(of log: LogID, from lsn: LSN, chunkSize: ChunkSize) throws(AofError) {
    let first = chunkSize.chunkID(for: lsn)
    for (id, _) in try chunkFiles(of: log) where id >= first {
      let offset = id == first ? chunkSize.chunkOffset(for: lsn) : 0
      let key = Key(log: log, chunk: id)
      try withFile(key, creating: false) { file throws(AofError) in
        // The page that holds the end is freed, too.
        let size = (try file.file.size() + Limits.trimUnit - 1) / Limits.trimUnit * Limits.trimUnit
        if offset < size { try file.file.punchHole(offset..<size) }
        noteBlocks(of: file, key)
      }
    }
  }

  /// Whether the files of a log may hold anything from `lsn` on.
  func hasBytes(of log: LogID, from lsn: LSN, chunkSize: ChunkSize) throws(AofError) -> Bool {
    let first = chunkSize.chunkID(for: lsn)
    for (id, path) in try chunkFiles(of: log) where id >= first {
      let file = try disk.open(path, .read)
      if try id == first ? file.size() > chunkSize.chunkOffset(for: lsn) : file.allocatedSize() > 0 { return true }
    }
    return false
  }

  /// The chunks of a log that have files.
  func chunks(of log: LogID) throws(AofError) -> [ChunkID] { try chunkFiles(of: log).map(\.id).sorted() }

  /// The chunk files that there are of a log.
  func chunkFiles(of log: LogID) throws(AofError) -> [(id: ChunkID, path: String)] {
    guard let directory = state.withLock({ $0.directories[log] }), disk.exists(directory) else { return [] }
    return try disk.list(directory).compactMap { name in
      guard name.hasSuffix(Self.suffix), let id = UInt64(name.dropLast(Self.suffix.count), radix: 16) else { return nil }
      return (ChunkID(rawValue: id), directory + "/" + name)
    }
  }

  private static let suffix = ".chunk"

  static func path(of chunk: ChunkID, in directory: String) -> String {
    directory + "/" + FixedWidthNumber.hex(chunk.rawValue) + suffix
  }

  // MARK: Open files

  /// Runs `body` on the chunk's file, which stays open for as long.
  func withFile<Result>(
    _ key: Key, creating: Bool, _ body: (ChunkFile) throws(AofError) -> Result
  ) throws(AofError) -> Result {
    let known = state.withLock { $0.use(key) }
    let entry = if let known { known } else { try open(key, creating: creating) }
    defer { state.withLock { _ in entry.users -= 1 } }
    return try body(entry.file)
  }

  private func open(_ key: Key, creating: Bool) throws(AofError) -> Entry {
    guard let directory = state.withLock({ $0.directories[key.log] }) else {
      throw AofError(.notFound, "log \(key.log) is not open")
    }
    let path = Self.path(of: key.chunk, in: directory)
    let file: File
    do throws(AofError) {
      file = try disk.open(path, .readWrite)
    } catch where error.code == .notFound && creating {
      try makeDirectory(directory)
      file = try disk.open(path, .readWriteCreate)
    }
    try noteVolume(of: SystemDisk.parent(of: directory))
    // Only once they are closed the filesystem takes back what it gave them too much.
    for key in closeSome() { noteBlocks(ofClosed: key) }
    return state.withLock { state in
      // Another thread was faster; all writes go through the one file that is kept.
      if let other = state.use(key) { return other }
      state.uses += 1
      let opened = Entry(ChunkFile(file), lastUse: state.uses)
      state.files[key] = opened
      return opened
    }
  }

  /// Makes the directory of a log's files. Its name is durable with the log's next sync.
  private func makeDirectory(_ path: String) throws(AofError) {
    let parent = SystemDisk.parent(of: path)
    if !state.withLock({ $0.volumes.keys.contains(parent) }) { try disk.createDirectory(parent) }
    do throws(AofError) {
      try disk.makeDirectory(path)
    } catch where error.code == .alreadyExists {
      try disk.checkDirectory(path)
    }
  }

  /// Before anything is written there, so that the volume tells of all that fails.
  private func noteVolume(of parent: String) throws(AofError) {
    guard !state.withLock({ $0.volumes.keys.contains(parent) }) else { return }
    let volume = try disk.volume(of: parent)
    state.withLock { $0.volumes[parent] = $0.volumes[parent] ?? volume }
  }

  /// Closes the least recently used files once there are too many. One with unsynced writes is synced first; if
  /// that fails it stays, and its own log's next sync reports it.
  /// - Returns: those that were closed, and may have fewer blocks now.
  private func closeSome() -> [Key] {
    let candidates = state.withLock { state -> [(Key, ChunkFile)] in
      guard state.files.count >= openFileLimit else { return [] }
      return state.files.filter { $0.value.users == 0 }.sorted { $0.value.lastUse < $1.value.lastUse }
        .prefix(openFileLimit / 4).map { ($0.key, $0.value.file) }
    }
    for (_, file) in candidates { try? file.sync() }
    return state.withLock { state in
      candidates.compactMap { key, file in
        guard state.files[key]?.users == 0, !file.mustStayOpen else { return nil }
        state.files[key] = nil
        return file.mayShrink ? key : nil
      }
    }
  }
}
