import AOFCore
import AOFSystem
import Synchronization

/// The open file of one chunk: raw bytes of the log at their offset in the chunk, sparse.
final class ChunkFile: Sendable {
  private struct State {
    var isDirty = false
    /// Set by a failed sync, for good: the kernel may have dropped the pages, and asking again would succeed.
    var failure: AofError?
  }

  let file: File
  private let state = Mutex(State())

  init(_ file: File) { self.file = file }

  /// Whether closing the file now could lose something, or hide a failure.
  var mustStayOpen: Bool { state.withLock { $0.isDirty || $0.failure != nil } }

  /// `isCopy`: the remote holds the bytes too, so that nothing is lost with them.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int, isCopy: Bool) throws(AofError) {
    if !isCopy { state.withLock { $0.isDirty = true } }
    try file.write(bytes, at: offset)
  }

  /// Makes what was written before the call survive power loss. - Throws: the first failure, again and again.
  func sync() throws(AofError) {
    let isDirty = try state.withLock { state throws(AofError) in
      if let failure = state.failure { throw failure }
      defer { state.isDirty = false }
      return state.isDirty
    }
    guard isDirty else { return }
    do throws(AofError) {
      try file.syncData()
    } catch {
      state.withLock { $0.failure = error }
      throw error
    }
  }
}
