import AOFCore
import AOFSystem

/// Making chunk files survive power loss, with the names of theirs and of their directories.
extension LocalChunkStore {
  /// Makes all that was written of a log survive power loss, its files' names too.
  /// - Throws: what the disk answered; the caller gives up on the log.
  func sync(_ log: LogID) throws(AofError) {
    let list = takeList(log)
    defer { state.change { _ = $0.syncing.remove(log) } }
    do throws(AofError) {
      if let failure = state.withLock({ $0.failures[log] }) { throw failure }
      for file in list.files { try file.sync() }
      if let directory = list.directory {
        try disk.syncDirectory(directory)
        if !state.withLock({ $0.placed.contains(log) }) { try disk.syncDirectory(SystemDisk.parent(of: directory)) }
      }
    } catch {
      giveBack(list)
      throw error
    }
    if list.directory != nil { state.withLock { _ = $0.placed.insert(log) } }
  }

  /// How many logs are best synced together: their files stay open meanwhile.
  static let logsAtOnce = 256

  /// Does for many logs, with one call to the disk, what ``sync(_:)`` then finds done, or says why not.
  func syncTogether(_ logs: [LogID]) {
    guard logs.count >= logsSyncedTogether else { return }
    let lists = logs.sorted().map { takeList($0) }
    defer { state.change { $0.syncing.subtract(logs) } }
    var failures: [LogID: AofError] = [:]
    var begun: [(log: LogID, file: ChunkFile, written: Int)] = []
    for list in lists {
      do throws(AofError) {
        for file in list.files {
          if let written = try file.beginSync() { begun.append((list.log, file, written)) }
        }
      } catch {
        failures[list.log] = error
      }
    }
    let failure = syncVolumes(of: logs)
    for (log, file, written) in begun {
      var own = failure
      if own == nil { do throws(AofError) { try file.file.checkWrites() } catch { own = error } }
      file.endSync(written, own)
      if let own { failures[log] = failures[log] ?? own }
    }
    for list in lists {
      if let failure = failure ?? failures[list.log] {
        giveBack(list)
        state.withLock { $0.failures[list.log] = failure }
      } else if list.directory != nil {
        state.withLock { _ = $0.placed.insert(list.log) }
      }
    }
  }

  private func syncVolumes(of logs: [LogID]) -> AofError? {
    let places = state.withLock { state in
      Set(logs.compactMap { state.directories[$0].map(SystemDisk.parent) }).sorted().map { ($0, state.volumes[$0]) }
    }
    do throws(AofError) {
      for (parent, known) in places {
        let volume = if let known { known } else { try disk.volume(of: parent) }
        try volume.sync()
      }
      return nil
    } catch {
      return error
    }
  }

  /// What of a log is to be synced.
  private struct SyncList {
    let log: LogID
    let chunks: Set<ChunkID>
    let files: [ChunkFile]
    /// The log's directory, if names in it are to be synced, or its own.
    let directory: String?
  }

  /// Takes what is to be synced off the lists, and keeps other threads from syncing the log.
  private func takeList(_ log: LogID) -> SyncList {
    // One thread at a time: another one that found the lists empty would take for synced what is only being synced.
    state.wait { $0.syncing.insert(log).inserted ? () : nil }
    // Taken off the lists first: what comes while the syncs run is for the next one.
    return state.withLock { state in
      let chunks = state.dirtyChunks.removeValue(forKey: log) ?? []
      // A file that is no longer open was synced when it was closed.
      let files = chunks.sorted().compactMap { state.files[Key(log: log, chunk: $0)]?.file }
      let directory = state.unsyncedDirectories.remove(log).flatMap { state.directories[$0] }
      return SyncList(log: log, chunks: chunks, files: files, directory: directory)
    }
  }

  private func giveBack(_ list: SyncList) {
    state.withLock { state in
      state.dirtyChunks[list.log, default: []].formUnion(list.chunks)
      if list.directory != nil { state.unsyncedDirectories.insert(list.log) }
    }
  }

  /// Makes what was written of a chunk survive power loss, copies too. - Throws: as ``sync(_:)``.
  func syncCopies(of log: LogID, in chunk: ChunkID) throws(AofError) {
    let key = Key(log: log, chunk: chunk)
    try withFile(key, creating: false) { file throws(AofError) in
      file.countCopies()
      state.withLock { $0.noteWrite(to: key) }
    }
    try sync(log)
  }
}

extension LocalChunkStore.State {
  /// A sync of the log must care for this file, and for its name: one that was there already may have been made by a
  /// process that was killed before it synced the directory.
  mutating func noteWrite(to key: LocalChunkStore.Key) {
    dirtyChunks[key.log, default: []].insert(key.chunk)
    guard let entry = files[key], !entry.isWritten else { return }
    entry.isWritten = true
    unsyncedDirectories.insert(key.log)
  }
}
