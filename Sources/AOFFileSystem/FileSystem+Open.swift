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
    let record = try record(aof.id)
    let generation = try announce(record)
    var entry = try entry(record)
    entry.generation = generation
    return (entry, try open(try manager.use(aof.id), flags))
  }

  private func open(_ use: LogUse, _ flags: OpenFlags) throws(AofError) -> OpenAnswer {
    let aof = use.log
    if flags.truncates, aof.watermarks.tail > .zero {
      throw AofError(.notPermitted, "a log that holds data cannot be truncated", remedy: "append with >>")
    }
    let writeback = try writeback(of: aof)?.open(flags)
    let bypassesCache = flags.canWrite && !(writeback != nil && mayGather(flags, aof))
    let handle = LogHandle(
      use: use, coherence: coherence(of: aof.id), reader: LogReader(aof), writeback: writeback)
    return OpenAnswer(handle: handles.insert(.log(handle)), bypassesCache: bypassesCache, keepsCache: true)
  }

  package func release(_ handle: HandleID) {
    if case .log(let log) = handles.remove(handle) { log.reader.cancel() }
  }

  /// Each write was answered for itself, so close(2) has nothing to report, and it never seals: the kernel may
  /// send FLUSH before the WRITEs of a shell's `>>`. In writeback mode it comes after what the page cache had, and is
  /// answered when that is in the log.
  package func flush(_ handle: HandleID) throws(AofError) -> SyncAnswer {
    guard case .log(let handle) = try handles.handle(handle), let writeback = handle.writeback else { return .done }
    try writeback.check()
    return writeback.log.firstHeld == nil ? .done : .later(afterHeld(writeback) { whenDone in whenDone(.success(())) })
  }

  /// Blocks until what was appended survives power loss.
  package func fsync(_ handle: HandleID) throws(AofError) -> SyncAnswer {
    switch try handles.handle(handle) {
    case .log(let handle):
      let aof = handle.aof
      let sync: @Sendable (@escaping @Sendable (Result<Void, AofError>) -> Void) -> Void = { whenDone in
        aof.sync { failure in whenDone(failure.map { .failure($0) } ?? .success(())) }
      }
      guard let writeback = handle.writeback else { return .later(Deferred(isInterruptible: false, work: sync)) }
      try writeback.check()
      return .later(afterHeld(writeback, sync))
    case .command, .text, .events, .directory: return .done
    }
  }

  /// Changes of names are durable when they return, so there is nothing left to do.
  package func fsyncDirectory(_ handle: HandleID) throws(AofError) { _ = try handles.handle(handle) }
}
