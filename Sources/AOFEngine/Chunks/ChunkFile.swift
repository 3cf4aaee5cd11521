import AOFCore
import AOFSystem

/// The open file of one chunk: raw bytes of the log at their offset in the chunk, sparse.
final class ChunkFile: Sendable {
  private struct State {
    /// Writes that have returned.
    var written = 0
    /// Of these, the first ones that survive power loss.
    var synced = 0
    var isSyncing = false
    /// Set by a failed sync, for good: the kernel may have dropped the pages, and asking again would succeed.
    var failure: AofError?
    /// Whether closing the file may give back what the filesystem gave it for more that might come.
    var mayShrink = false
  }

  let file: File
  private let state = Monitor(State())

  init(_ file: File) { self.file = file }

  /// Whether closing the file may change how many blocks it has.
  var mayShrink: Bool { state.withLock { $0.mayShrink } }

  /// Whether closing the file now could lose something, or hide a failure.
  var mustStayOpen: Bool { state.withLock { $0.written != $0.synced || $0.isSyncing || $0.failure != nil } }

  /// `isCopy`: the remote holds the bytes too, so that nothing is lost with them.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int, isCopy: Bool) throws(AofError) {
    try file.write(bytes, at: offset)
    state.withLock { state in
      state.mayShrink = true
      // Only now: a sync that runs beside the write covers nothing of it.
      if !isCopy { state.written += 1 }
    }
  }

  /// Copies that the remote held as well are to survive power loss, too.
  func countCopies() { state.withLock { $0.written += 1 } }

  /// Makes what was written before the call survive power loss. One sync runs at a time, and whoever finds one under
  /// way waits for its outcome. - Throws: the first failure, again and again.
  func sync() throws(AofError) {
    guard let written = try beginSync() else { return }
    var failure: AofError?
    do throws(AofError) { try file.syncData() } catch { failure = error }
    endSync(written, failure)
    if let failure { throw failure }
  }

  /// Begins what ``endSync(_:_:)`` ends; no other sync runs between. - Returns: nil if there is nothing to sync.
  func beginSync() throws(AofError) -> Int? {
    try state.wait { state throws(AofError) -> Int?? in
      if state.isSyncing { return nil }
      if let failure = state.failure { throw failure }
      guard state.synced != state.written else { return .some(nil) }
      state.isSyncing = true
      return state.written
    }
  }

  /// `written`: what the sync had to cover. `failure`: what it came to.
  func endSync(_ written: Int, _ failure: AofError?) {
    state.change { state in
      if failure == nil { state.synced = written } else { state.failure = failure }
      state.isSyncing = false
    }
  }
}
