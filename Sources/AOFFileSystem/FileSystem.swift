import AOFCore
import AOFEngine
import AOFManifest
import AOFSystem
import Glibc

/// How a file system is set up.
package struct FileSystemOptions: Sendable {
  /// Who owns `.ctl`.
  package var owner: Caller
  package var clock: any WallClock = SystemClock()
  package var kernelCache: any KernelCache = NoKernelCache()
  /// The page size of the kernel, in bytes, a power of two.
  package var pageSize: Int
  /// Whether logs may be deleted, or replaced by a rename: they go to the trash then.
  package var allowsDeletion = true
  /// How many commands may run at a time.
  package var commandThreads = 16
  /// Whether the kernel's page cache gathers appends, and writes them when it likes or somebody syncs.
  package var gathersWrites = false
  /// The permissions of `.ctl/metrics`: of 0444, with 0400.
  package var metricsPermissions: UInt32 = 0o400

  /// Owned by this process's user, with the machine's page size.
  package init() {
    owner = Caller(userID: geteuid(), groupID: getegid())
    pageSize = max(sysconf(Int32(_SC_PAGESIZE)), 1)
  }
}

/// A store as a file system: what each operation of a program comes to.
///
/// Knows nothing of FUSE. Every operation takes plain values, throws the error whose errno the program is to
/// see, and may be called on any thread at any time. None waits for the remote: what must wait is answered by
/// a ``Deferred``. Operations may block on the local disk.
package final class FileSystem: Sendable {
  let manager: AofManager
  let control: ControlExecutor
  package let options: FileSystemOptions
  let names: StoreNames
  let handles = HandleTable<Handle>()
  let controlNodes = ControlNodeTable()
  let coherences = LogTable<LogCoherence>()
  let writebacks = LogTable<LogWriteback>()
  let commands: WorkQueue
  let events: EventFeed
  /// Goes on with writes from the page cache once the bytes that they are compared with have come back. Not on the thread that brought
  /// them: that is writing to the chunk file, and what appends may have to wait for it. Nil where nothing is gathered.
  let arrivals: WorkQueue?

  /// - Throws: `system(EAGAIN)` when the process may start no more threads.
  package init(manager: AofManager, control: ControlExecutor, options: FileSystemOptions) throws(AofError) {
    self.manager = manager
    self.control = control
    self.options = options
    names = StoreNames(manager: manager)
    commands = try WorkQueue(name: "control", threads: options.commandThreads)
    events = try EventFeed(manager)
    arrivals = options.gathersWrites ? try WorkQueue(name: "writeback", threads: 1) : nil
    control.whenCut.set { [weak self] log, lsn in self?.didCut(log, at: lsn) }
    manager.whenPurged.set { [coherences, writebacks] log in
      coherences.forget(log)
      writebacks.forget(log)
    }
  }

  /// The mount is to end: programs that wait for events or watermarks are answered, so that they do not keep it.
  package func prepareToEnd() {
    events.end()
    manager.endWaits()
  }

  /// Waits for the commands that are running and ends their threads. Later ones fail with EBUSY.
  package func close() {
    prepareToEnd()
    commands.close()
    arrivals?.close()
    events.close()
    control.alarms.close()
  }

  /// The kernel lets go of `count` look-ups of a node.
  package func forget(_ node: NodeID, count: UInt64) {
    if node.isControl { controlNodes.forget(node, count: count) }
  }
}

extension FileSystem {
  func record(_ id: NodeID) throws(AofError) -> NodeRecord {
    guard let record = manager.node(id) else { throw .stale(id) }
    return record
  }

  func directory(_ id: NodeID) throws(AofError) -> NodeRecord {
    let record = try record(id)
    guard record.kind == .directory else { throw AofError(.notADirectory, "node \(id) is a log") }
    return record
  }
}

extension AofError {
  /// The kernel asks for a node that is gone.
  static func stale(_ id: NodeID) -> AofError { AofError(.system(errno: ESTALE), "node \(id) is gone") }
}
