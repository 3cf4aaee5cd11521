import AOFCore

/// Everything that the engine takes from the outside world besides the remote: what a simulation replaces.
package struct Environment: Sendable {
  package let disk: any Disk
  package let clock: any WallClock
  /// 64 random bits; for nonces and names, never for secrets.
  package let random: @Sendable () -> UInt64
  /// Starts a queue for jobs of a kind.
  package let makeQueue: @Sendable (JobKind) throws(AofError) -> any JobQueue
  /// The size of new WAL segments, in bytes. Those of a simulation are small, so that they have many lives.
  package let walSegmentSize: Int
  /// From how many logs on it pays to sync their whole volume, with what others have written to it. Few in a simulation,
  /// which has few.
  package let logsSyncedTogether: Int
  /// How many logs and objects a snapshot of the remote's manifest may tell of. Few in a simulation, which has few.
  package let snapshotLimit: Int

  package init(
    disk: any Disk, clock: any WallClock, random: @escaping @Sendable () -> UInt64,
    makeQueue: @escaping @Sendable (JobKind) throws(AofError) -> any JobQueue = Self.startThreads,
    walSegmentSize: Int = Limits.walSegmentSize, logsSyncedTogether: Int = 32,
    snapshotLimit: Int = Limits.snapshotLimit
  ) {
    self.disk = disk
    self.clock = clock
    self.random = random
    self.makeQueue = makeQueue
    self.walSegmentSize = walSegmentSize
    self.logsSyncedTogether = logsSyncedTogether
    self.snapshotLimit = snapshotLimit
  }

  /// This machine.
  package static let system = Environment(
    disk: SystemDisk(), clock: SystemClock(), random: { UInt64.random(in: .min ... .max) })

  /// Queues with threads of their own.
  package static func startThreads(for kind: JobKind) throws(AofError) -> any JobQueue {
    switch kind {
    case .maintenance: try WorkQueue(name: "aofs-maintain", threads: 1)
    case .compression:
      try WorkQueue(name: "aofs-compress", threads: SystemThread.processorCount, givesWay: true)
    case .measuring: try WorkQueue(name: "aofs-measure", threads: 1, givesWay: true)
    case .flush: try WorkQueue(name: "aofs-flush", threads: 1)
    case .hydration: try WorkQueue(name: "aofs-hydrate", threads: Limits.downloads)
    }
  }
}
