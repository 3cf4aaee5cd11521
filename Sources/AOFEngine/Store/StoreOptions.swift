import AOFCore

/// How to open a store. What is nil takes the value stored at its creation; what is set and differs
/// from an immutable stored value is refused.
public struct StoreOptions: Sendable {
  /// Whether a missing store is created.
  public var createIfMissing = true
  /// The chunk size of logs that are created without one of their own. Default 64 MiB.
  public var chunkSize: ChunkSize?
  /// The quota of the local cache. Default 10 GiB.
  public var cacheSize: ByteCount?
  /// How long logs stay in the trash. Default 7 days.
  public var trashAge: TrashAge?
  /// `dir:PATH` or `s3://BUCKET/PREFIX?SETTINGS`, as docs/S3.md has it. Default `dir:STORE/remote`. The place is fixed at the
  /// store's creation; settings replace those that are stored.
  public var remote: String?
  /// Where the WAL lies. Default `STORE/wal`. Fixed at the store's creation.
  public var walDirectory: String?
  /// When the store checkpoints by itself; nil for never.
  public var checkpoints: CheckpointPolicy?
  /// For how long objects of the remote are kept that no manifest names any more: whoever has read the remote's manifest
  /// before, another machine that recovers the store from it or a copy that is made of the bucket, has so long to read
  /// what it named. Default a day.
  public var remoteGrace = Duration.seconds(86_400)
  /// zstd's level for what is uploaded, from 1 to 22. Higher ones take less space and more time.
  public var compressionLevel: Int32 = 3
  /// The memory that bytes from the remote may take on their way, those that are read ahead and those that the local disk
  /// has no room for, at least 4 MiB.
  public var prefetchMemory = ByteCount(rawValue: UInt64(Limits.prefetchMemory))
  /// The end of each log that the quota leaves on the local disk, in bytes. A mount needs some.
  package var residentTail = 0
  /// Disk space that is set aside for what must go on when the disk is full, in bytes. 0 for none.
  package var reserve = Limits.spaceReserve
  /// Shown to whoever finds the store locked.
  public var mountPoint: String?

  public init() {}
}
