import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

/// One append-only log.
///
/// Safe to use from any number of threads. Appending, syncing and reading what is resident block on the local
/// disk alone; ``checkpoint()``, ``hydrate(_:)`` and reads of evicted ranges wait for the remote.
public final class Aof: Sendable {
  public let id: LogID
  public let chunkSize: ChunkSize

  let state: Monitor<LogState>
  let wal: WriteAheadLog
  let chunks: ChunkTable
  let services: EngineServices
  /// The generation of what the committer writes now.
  /// INVARIANT: read and written only by the thread with the committer's role in `wal`.
  nonisolated(unsafe) var committingGeneration: Generation
  /// The number of the last segment with frames of the log, and the LSN where they end.
  /// INVARIANT: as above.
  nonisolated(unsafe) var committedSegment: UInt64 = 0
  nonisolated(unsafe) var committedEnd = LSN.zero

  init(_ record: AofDescriptorRecord, modified: UnixTime, wal: WriteAheadLog, services: EngineServices) {
    id = record.id
    chunkSize = record.chunkSize
    self.wal = wal
    self.services = services
    committingGeneration = record.generation
    chunks = ChunkTable(log: record.id, chunkSize: record.chunkSize, services: services)
    services.localChunks.register(record.id, directory: record.dataDirectory)
    state = Monitor(LogState(record, lastAppend: modified, lastFrame: wal.syncedPosition))
    chunks.whenCrowded.set { [weak self] in self?.queueUnloading() }
  }

  // MARK: Arithmetic

  /// The chunk that holds the byte at `lsn`, sealed or not.
  public func chunkID(for lsn: LSN) -> ChunkID { chunkSize.chunkID(for: lsn) }
  /// The first LSN of a chunk.
  public func chunkStart(_ chunk: ChunkID) -> LSN { chunkSize.chunkStart(chunk) }
  /// The LSN after the last of a chunk.
  public func chunkEnd(_ chunk: ChunkID) -> LSN { chunkSize.chunkEnd(chunk) }
  /// Where in its chunk the byte at `lsn` lies, in bytes.
  public func chunkOffset(for lsn: LSN) -> Int { chunkSize.chunkOffset(for: lsn) }

  // MARK: Facts. None of these block.

  /// The five watermarks at one moment.
  public var watermarks: Watermarks {
    let synced = wal.syncedPosition
    return state.withLock { state in
      // Kept, for what was once said to be durable stays so: the next append moves the last frame past the synced one.
      if synced >= state.lastFrame, !state.hasUnsyncedLarge { state.durable = state.tail }
      return Watermarks(
        head: state.head, remote: state.remote, sealed: state.sealed, durable: state.durable, tail: state.tail)
    }
  }

  /// The LSN that the next append gets.
  public var tailLSN: LSN { state.withLock { $0.tail } }

  /// The tail, and the generation that it is of.
  var end: (tail: LSN, generation: Generation) { state.withLock { ($0.tail, $0.generation) } }

  /// Everything below survives power loss.
  public var durableLSN: LSN { watermarks.durable }

  /// Which life of the address space the log is in.
  public var generation: Generation { state.withLock { $0.generation } }

  /// When the last append was made.
  package var modificationTime: UnixTime { state.withLock { $0.lastAppend } }

  /// About the bytes that the log takes on the local disk and in memory.
  package var localBytes: ByteCount {
    let buffered = state.withLock { $0.tail - $0.flushed }
    return ByteCount(rawValue: UInt64(services.localChunks.allocatedSize(of: id) + buffered))
  }

  /// When the oldest byte was appended that the remote does not hold, or somewhat earlier; nil if it holds all.
  var oldestUnpublished: UnixTime? { state.withLock { $0.remote < $0.tail ? $0.oldestUnpublished : nil } }

  /// Why the log takes no appends; nil as long as it does.
  package var failure: AofError? { state.withLock { $0.failure } ?? wal.failure }

  /// Takes no more appends, for the reason given, which stays.
  func fail(_ error: AofError) {
    let isNew = state.change { state in
      guard state.failure == nil else { return false }
      state.failure = error
      return true
    }
    // A WAL that failed is one incident, not one for each of its logs.
    if isNew, wal.failure == nil { services.observation.report(error, "log \(id) takes no more appends") }
  }
}

/// The five watermarks of a log: `remote <= sealed <= durable <= tail` and `head <= sealed`.
public struct Watermarks: Hashable, Sendable {
  /// The first LSN that can still be read.
  public var head: LSN
  /// Everything below can be read from the remote alone.
  public var remote: LSN
  /// Everything below is immutable, with its checksums in the manifest.
  public var sealed: LSN
  /// Everything below survives power loss.
  public var durable: LSN
  /// Where the next append goes.
  public var tail: LSN

  public init(head: LSN, remote: LSN, sealed: LSN, durable: LSN, tail: LSN) {
    self.head = head
    self.remote = remote
    self.sealed = sealed
    self.durable = durable
    self.tail = tail
  }
}
