import AOFCore
import AOFEngine

/// What an FSYNC comes to.
package enum SyncAnswer: Sendable {
  case done
  /// The thread goes on with other requests while somebody else flushes for it.
  case later(Deferred<Void>)
}

extension FileSystem {
  package func open(_ node: NodeID, _ flags: OpenFlags) throws(AofError) -> OpenAnswer {
    if node.isControl { return try openControl(node, flags) }
    return try open(try manager.use(node), flags)
  }

  /// Creates a log, or opens the one that has the name. The kernel owes a ``forget(_:count:)`` for the node.
  package func create(
    _ name: [UInt8], in parent: NodeID, permissions: UInt32, flags: OpenFlags, caller: Caller
  ) throws(AofError) -> (Entry, OpenAnswer) {
    try refuseControl(parent, name)
    let name = try EntryName(name)
    let aof: Aof
    do throws(AofError) {
      aof = try manager.makeLog(name, in: parent, attributes: newAttributes(permissions, caller))
    } catch {
      // Another program was faster, and without O_EXCL its log is as good.
      guard error.code == .alreadyExists, !flags.isExclusive, let record = manager.lookUp(name, in: parent) else {
        throw error
      }
      aof = try manager.log(record.id)
    }
    let entry = try entry(try record(aof.id))
    return (entry, try open(try manager.use(aof.id), flags))
  }

  private func open(_ use: LogUse, _ flags: OpenFlags) throws(AofError) -> OpenAnswer {
    let aof = use.log
    if flags.truncates, aof.watermarks.tail > .zero {
      throw AofError(.notPermitted, "a log that holds data cannot be truncated", remedy: "append with >>")
    }
    let bypassesCache = flags.canWrite
    let handle = LogHandle(
      use: use, coherence: coherence[aof.id], reader: LogReader(aof), isCached: !bypassesCache)
    return OpenAnswer(handle: handles.insert(.log(handle)), bypassesCache: bypassesCache, keepsCache: true)
  }

  package func release(_ handle: HandleID) {
    if case .log(let log) = handles.remove(handle) { log.reader.cancel() }
  }

  /// Each write was answered for itself, so close(2) has nothing to report, and it never seals: the kernel may
  /// send FLUSH before the WRITEs of a shell's `>>`.
  package func flush(_ handle: HandleID) throws(AofError) { _ = try handles.handle(handle) }

  /// Blocks until what was appended survives power loss.
  package func fsync(_ handle: HandleID) throws(AofError) -> SyncAnswer {
    switch try handles.handle(handle) {
    case .log(let handle):
      let aof = handle.aof
      return .later(
        Deferred(isInterruptible: false) { whenDone in
          aof.sync { failure in whenDone(failure.map { .failure($0) } ?? .success(())) }
        })
    case .command, .text, .events, .directory: return .done
    }
  }

  /// Changes of names are durable when they return, so there is nothing left to do.
  package func fsyncDirectory(_ handle: HandleID) throws(AofError) { _ = try handles.handle(handle) }
}
