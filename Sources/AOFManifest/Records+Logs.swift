import AOFCore
import AOFFormat

/// Everything that the manifest knows of one log, but for its name and its extents.
public struct AofDescriptorRecord: Hashable, Sendable {
  public let id: LogID
  public let chunkSize: ChunkSize
  /// The directory that holds the log's chunk files.
  public var dataDirectory: String
  /// The row of the WAL that protects the log's tail.
  package let walDirectory: WalDirectoryID
  public var generation: Generation
  /// The LSN at which the generation began; frames of earlier generations at or past it are void.
  public var generationStart: LSN
  public var head: LSN
  public var remote: LSN
  public var sealed: LSN
  /// Everything below is durable in chunk files, and the WAL is no longer needed for it.
  public var applied: LSN
  /// The checksums of the bytes from ``sealed`` to ``applied``.
  public var appliedFrames: [FrameRecord]
  /// Why the log takes no appends; nil as long as it does.
  public var failure: String?

  package init(
    id: LogID, chunkSize: ChunkSize, dataDirectory: String, walDirectory: WalDirectoryID,
    generation: Generation = .first, generationStart: LSN = .zero, head: LSN = .zero, remote: LSN = .zero,
    sealed: LSN = .zero, applied: LSN = .zero, appliedFrames: [FrameRecord] = [], failure: String? = nil
  ) {
    self.id = id
    self.chunkSize = chunkSize
    self.dataDirectory = dataDirectory
    self.walDirectory = walDirectory
    self.generation = generation
    self.generationStart = generationStart
    self.head = head
    self.remote = remote
    self.sealed = sealed
    self.applied = applied
    self.appliedFrames = appliedFrames
    self.failure = failure
  }
}

/// The row of a WAL directory.
package struct WalDirectoryID: RawRepresentable, Hashable, Sendable {
  package let rawValue: Int64
  package init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A directory that holds a WAL, and the first of its segments that still means something.
package struct WalDirectoryRecord: Hashable, Sendable {
  package let id: WalDirectoryID
  package let path: String
  /// Segments with smaller numbers are void, whether or not their files are gone.
  package var firstSequence: UInt64

  package init(id: WalDirectoryID, path: String, firstSequence: UInt64) {
    self.id = id
    self.path = path
    self.firstSequence = firstSequence
  }
}

/// One sealed extent: an immutable run of bytes inside one chunk.
public struct AofChunkRecord: Hashable, Sendable {
  public let log: LogID
  public let chunk: ChunkID
  public let range: Range<LSN>
  public let generation: Generation
  /// The frames of the range, in order.
  public let frames: [FrameRecord]
  public let sealedAt: UnixTime
  /// Which frames were on the local disk when this was last written. A hint: checksums decide.
  package var residency: Bitmap
  /// The object that holds the extent; nil until it is published.
  public var object: StoredObject?

  package init(
    log: LogID, chunk: ChunkID, range: Range<LSN>, generation: Generation, frames: [FrameRecord],
    sealedAt: UnixTime, residency: Bitmap? = nil, object: StoredObject? = nil
  ) {
    self.log = log
    self.chunk = chunk
    self.range = range
    self.generation = generation
    self.frames = frames
    self.sealedAt = sealedAt
    self.residency = residency ?? Bitmap(count: frames.count, filled: true)
    self.object = object
  }
}

/// An object of the remote, and where its zstd frames lie.
public struct StoredObject: Hashable, Sendable {
  /// The name below the remote's prefix.
  public let key: String
  /// Bytes.
  public let size: UInt64
  /// CRC32C of all of them.
  public let checksum: UInt32
  /// The compressed length of each frame, in bytes; frames follow each other from offset 0.
  public let frameLengths: [UInt32]

  package init(key: String, size: UInt64, checksum: UInt32, frameLengths: [UInt32]) {
    self.key = key
    self.size = size
    self.checksum = checksum
    self.frameLengths = frameLengths
  }
}
