import AOFCore
import AOFManifest
import AOFRemote
import AOFSystem

/// What the logs of a store share.
final class EngineServices: Sendable {
  let environment: Environment
  let manifest: Manifest
  let localChunks: LocalChunkStore
  let remoteChunks: RemoteChunkStore
  let hydrator: Hydrator
  let checkpointer: Checkpointer
  /// Runs background seals, one after the other.
  let maintenance: any JobQueue
  /// Compresses frames for checkpoints, and gives way to everything else.
  let compression: any JobQueue
  let compressionLevel: Int32
  let automaticCheckpoints = AutomaticCheckpoints()
  let evictor: Evictor
  /// What the quota evicts next.
  let cacheOrder = Lock(CacheOrder())
  let observation: Observation
  let reserve: SpaceReserve
  let reads = ReadCounts()

  /// What the chunk files take of the quota.
  var cache: CacheUsage { localChunks.usage }

  init(
    environment: Environment, manifest: Manifest, localChunks: LocalChunkStore, remoteChunks: RemoteChunkStore,
    hydrator: Hydrator, checkpointer: Checkpointer, maintenance: any JobQueue, compression: any JobQueue,
    compressionLevel: Int32, observation: Observation, reserve: SpaceReserve
  ) {
    self.environment = environment
    evictor = Evictor(clock: environment.clock)
    self.manifest = manifest
    self.localChunks = localChunks
    self.remoteChunks = remoteChunks
    self.hydrator = hydrator
    self.checkpointer = checkpointer
    self.maintenance = maintenance
    self.compression = compression
    self.compressionLevel = compressionLevel
    self.observation = observation
    self.reserve = reserve
  }
}
