import AOFCore
import AOFFormat

extension Aof {
  /// Makes all that was appended before the call survive power loss. Concurrent callers, of any log of the same
  /// WAL, share one flush; with nothing new there is none.
  /// - Throws: `localFailure`, for good: a failed sync is never retried into success.
  public func sync() throws(AofError) {
    let target = try beginSync()
    do throws(AofError) {
      try wal.sync(through: target.position)
    } catch {
      fail(error)
      throw error
    }
    finishSync(target)
  }

  /// As ``sync()``, for threads that have more to do than to wait for others' syncs: `whenDone` is called once, with
  /// what ``sync()`` would have thrown, on this thread or on that of whoever flushes.
  package func sync(whenDone: @escaping @Sendable (AofError?) -> Void) {
    let target: SyncTarget
    do throws(AofError) { target = try beginSync() } catch { return whenDone(error) }
    wal.sync(through: target.position) { [self] failure in
      if let failure { fail(failure) } else { finishSync(target) }
      whenDone(failure)
    }
  }

  /// Everything below `tail` is durable once the WAL is up to `position`, as long as the generation lasts.
  private struct SyncTarget {
    let position: WalPosition
    let tail: LSN
    let generation: Generation
  }

  /// Syncs what lies in chunk files alone. Frames follow: a frame says that its payload is there.
  private func beginSync() throws(AofError) -> SyncTarget {
    // A log that is damaged or was failed by an earlier sync must not call anything durable, nor one whose WAL failed.
    if let failure { throw failure }
    let (target, largeEnd) = state.withLock { state in
      (
        SyncTarget(position: state.lastFrame, tail: state.tail, generation: state.generation),
        state.hasUnsyncedLarge ? state.largeEnd : nil
      )
    }
    guard let largeEnd else { return target }
    do throws(AofError) {
      try services.localChunks.sync(id)
    } catch {
      failSync(error)
      throw error
    }
    state.withLock { state in
      if state.generation == target.generation { state.largeSynced = max(state.largeSynced, largeEnd) }
    }
    return target
  }

  /// A sync of chunk files failed, which is never tried again: the kernel may have dropped the pages. Where only a
  /// descriptor was missing, nothing was synced and nothing dropped, and the next sync begins anew.
  func failSync(_ error: AofError) {
    if !error.isShortageOfDescriptors { fail(error) }
  }

  private func finishSync(_ target: SyncTarget) {
    state.withLock { state in
      if state.generation == target.generation { state.durable = max(state.durable, target.tail) }
    }
    services.observation.marks.moved()
  }
}
