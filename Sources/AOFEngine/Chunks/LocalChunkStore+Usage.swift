import AOFCore
import AOFSystem

/// What the chunk files take on the disk.
extension LocalChunkStore {
  /// The bytes that a log's chunk files take on the disk: measured when first asked for, counted from then on.
  func allocatedSize(of log: LogID) -> Int { measure(log) { false } }

  /// Looks at all files of a log, if that was not done yet. `isOver`: asked before each file whether to give up.
  /// - Returns: the bytes that are known of.
  @discardableResult
  func measure(_ log: LogID, unless isOver: () -> Bool) -> Int {
    if let known = usage.bytes(of: log) { return known }
    usage.beginMeasuring(log)
    // A directory that cannot be listed holds nothing that anybody could count.
    for (chunk, path) in (try? chunkFiles(of: log)) ?? [] {
      if isOver() { return usage.endMeasuring(log, isComplete: false) }
      noteBlocks(at: path, Key(log: log, chunk: chunk))
    }
    return usage.endMeasuring(log, isComplete: true)
  }

  /// The file was changed.
  func noteBlocks(of file: ChunkFile, _ key: Key) {
    let look = usage.beginLook()
    if let bytes = try? file.file.allocatedSize() { usage.note(bytes, in: key.chunk, of: key.log, look) }
  }

  /// The file was closed.
  func noteBlocks(ofClosed key: Key) {
    guard let directory = state.withLock({ $0.directories[key.log] }) else { return }
    noteBlocks(at: Self.path(of: key.chunk, in: directory), key)
  }

  private func noteBlocks(at path: String, _ key: Key) {
    let look = usage.beginLook()
    if let bytes = try? disk.open(path, .read).allocatedSize() { usage.note(bytes, in: key.chunk, of: key.log, look) }
  }
}
