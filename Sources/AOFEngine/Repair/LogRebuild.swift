import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// Finds out how far one log can be proven: by extents of the remote, by extents of the old manifest whose checksums the
/// bytes on the disk match, and by what was applied after them. What no checksum covers is never taken.
struct LogRebuild {
  /// What the WAL has of a log.
  struct Frames {
    /// Where the frames of each generation begin.
    private var starts: [Generation: LSN] = [:]
    /// The highest one.
    private(set) var generation: Generation
    /// Of the highest generation.
    private(set) var end: LSN

    init(_ frame: WALFrameHeader) {
      generation = frame.generation
      end = frame.range.upperBound
      starts[generation] = frame.lsn
    }

    mutating func add(_ frame: WALFrameHeader) {
      starts[frame.generation] = min(starts[frame.generation] ?? frame.lsn, frame.lsn)
      let end = frame.range.upperBound
      self.end = frame.generation == generation ? max(self.end, end) : frame.generation > generation ? end : self.end
      generation = max(generation, frame.generation)
    }

    /// Where the frames of the highest generation begin.
    var first: LSN { starts[generation] ?? end }

    /// Where the frames of later generations begin; nil without any.
    func start(after generation: Generation) -> LSN? { starts.filter { $0.key > generation }.values.min() }
  }

  let id: LogID
  let old: AofDescriptorRecord?
  let oldExtents: [AofChunkRecord]
  let remote: RemoteLogRecord?
  let remoteExtents: [RemoteExtentRecord]
  let frames: Frames?
  let chunkSize: ChunkSize
  let localChunks: LocalChunkStore
  /// Nil without a remote: the old manifest is believed where it names objects.
  let object: ObjectCheck?

  private(set) var extents: [AofChunkRecord] = []
  var notes: [String] = []
  /// Whether bytes were lost that the log may have had.
  var isCut = false
  /// Objects that the remote's manifest names, and the log as it is found does not: they lie behind what is lost.
  private(set) var leftBehind: [ObjectKey] = []
  /// What became void after the sources were written.
  private var cuts = Cuts()

  init(
    _ id: LogID, old: AofDescriptorRecord?, oldExtents: [AofChunkRecord], remote: RemoteLogRecord?,
    remoteExtents: [RemoteExtentRecord], frames: Frames?, chunkSize: ChunkSize, localChunks: LocalChunkStore,
    object: ObjectCheck?
  ) {
    self.id = id
    self.old = old
    self.oldExtents = oldExtents
    self.remote = remote
    self.remoteExtents = remoteExtents
    self.frames = frames
    self.chunkSize = chunkSize
    self.localChunks = localChunks
    self.object = object
  }

  /// The log's record, up to what is applied; the WAL is yet to be replayed on it.
  mutating func run(walDirectory: WalDirectoryID, dataDirectory: String) throws(AofError) -> AofDescriptorRecord {
    let stated = max(old?.head ?? .zero, remote?.headLSN ?? .zero)
    let isUnknown = old == nil && remote == nil
    let head = isUnknown ? frames?.first ?? .zero : stated
    cuts = findCuts()
    var record = AofDescriptorRecord(
      id: id, chunkSize: chunkSize, dataDirectory: dataDirectory, walDirectory: walDirectory, head: head)
    let sealed = try findExtents(from: head)
    record.sealed = sealed
    record.remote = extents.prefix { $0.object != nil }.last?.range.upperBound ?? min(head, sealed)
    // Where the head lies within a lost extent, what follows is the head.
    record.head = min(head, sealed)
    (record.applied, record.appliedFrames) = try findApplied(from: sealed)
    record.generation = max(old?.generation ?? .first, remote?.generation ?? .first)
    // A cut that neither knows of shows in the frames that were appended after it.
    if let frames { record.generation = max(record.generation, frames.generation) }
    record.generationStart = min(cuts.unknown ?? old?.generationStart ?? record.applied, record.applied)
    record.failure = old?.failure
    if let old, record.applied < old.applied {
      isCut = true
      notes.append("log \(id): LSN \(record.applied)..<\(old.applied) is lost: neither the disk nor the remote holds it")
    }
    if isCut { leaveBehind() }
    return record
  }

  // MARK: Extents

  /// Takes extents that follow each other, for as long as there are any.
  private mutating func findExtents(from head: LSN) throws(AofError) -> LSN {
    var published: [LSN: RemoteExtentRecord] = [:]
    var split: [LSN: RemoteExtentRecord] = [:]
    for extent in remoteExtents {
      let range = extent.key.range
      if range.upperBound <= cuts.published {
        published[range.lowerBound] = extent
      } else if range.lowerBound < cuts.published {
        split[range.lowerBound] = extent
      }
    }
    var local: [LSN: AofChunkRecord] = [:]
    for extent in oldExtents where extent.range.lowerBound < cuts.local { local[extent.range.lowerBound] = extent }
    // The remote's first: a merged extent begins before the parts of it that the manifest may still have.
    var position = published.filter { $0.value.key.range.contains(head) }.keys.max()
      ?? local.filter { $0.value.range.contains(head) }.keys.max()
      ?? split.filter { $0.value.key.range.contains(head) }.keys.max() ?? head
    while true {
      let next: AofChunkRecord?
      if let extent = published[position] {
        next = try takePublished(extent, local[position])
      } else if let extent = local[position] {
        next = try take(extent)
      } else if let extent = split[position] {
        next = try takeSplit(extent)
      } else {
        next = nil
      }
      guard let next else { return position }
      extents.append(next)
      position = next.range.upperBound
      if isCut { return position }
    }
  }

  /// An extent of the remote. - Returns: where its object is damaged or gone, what the disk proves; nil for nothing.
  private mutating func takePublished(
    _ published: RemoteExtentRecord, _ old: AofChunkRecord?
  ) throws(AofError) -> AofChunkRecord? {
    do throws(AofError) {
      return try takeSound(describe(published, old))
    } catch where error.isAboutObject {
      // What the manifest has there may be on the disk.
      let extent = if let old { try take(old) } else { AofChunkRecord?.none }
      if extent == nil || isCut { noteLoss(of: published, error) }
      return extent
    }
  }

  /// What a cut has left of an extent of the remote.
  private mutating func takeSplit(_ published: RemoteExtentRecord) throws(AofError) -> AofChunkRecord? {
    do throws(AofError) {
      return try shorten(describe(published, nil), to: cuts.published)
    } catch where error.isAboutObject {
      noteLoss(of: published, error)
      return nil
    }
  }

  private mutating func noteLoss(of extent: RemoteExtentRecord, _ error: AofError) {
    isCut = true
    notes.append("log \(id): it ends within the object \(extent.key), or before it, for that cannot be used: \(error)")
  }

  /// Whoever restores what is lost may want what follows it; what was truncated is not kept.
  private mutating func leaveBehind() {
    let named = Set(extents.compactMap { $0.object?.key })
    let behind = remoteExtents.map(\.key).filter { $0.range.lowerBound < cuts.published && !named.contains($0.text) }
    leftBehind = behind.filter { key in extents.last.map { $0.range.upperBound < key.range.upperBound } ?? true }
    if let first = leftBehind.first {
      notes.append(
        "log \(id): \(leftBehind.count) objects from LSN \(first.range.lowerBound) on are left in the remote, under "
          + ObjectKey.directory(of: id))
    }
  }

  /// An extent of the remote; its frames as the old manifest has them, or its object.
  private func describe(_ extent: RemoteExtentRecord, _ old: AofChunkRecord?) throws(AofError) -> AofChunkRecord {
    if let old, old.object?.key == extent.key.text { return old }
    guard let object else { throw AofError(.remoteFailure, "there is no remote to read \(extent.key) from") }
    let (stored, frames) = try object.describe(extent)
    // The store keeps frames on its grid, and every version wrote objects so.
    let table = FrameTable.encode(frames)
    _ = try FrameTable.decode(table, start: extent.key.range.lowerBound, byteCount: extent.key.range.byteCount)
    return AofChunkRecord(
      log: id, chunk: extent.key.chunk, range: extent.key.range, generation: extent.key.generation, frames: frames,
      sealedAt: frames.last?.time ?? UnixTime(rawValue: 0), object: stored)
  }

  /// An extent of the remote, unless the disk has what was appended after a cut that the remote was not told of.
  private mutating func takeSound(_ extent: AofChunkRecord) throws(AofError) -> AofChunkRecord? {
    let extent = try resident(extent)
    guard cuts.unknown != nil, try isOverwritten(extent) else { return extent }
    return try shorten(extent, to: extent.range.upperBound)
  }

  /// The extent with the residency that the disk shows.
  private func resident(_ extent: AofChunkRecord) throws(AofError) -> AofChunkRecord {
    var extent = extent
    extent.residency = try found(extent)
    return extent
  }

  private func found(_ extent: AofChunkRecord) throws(AofError) -> Bitmap {
    var map = Bitmap(count: extent.frames.count, filled: false)
    var lsn = extent.range.lowerBound
    for (index, frame) in extent.frames.enumerated() {
      map[index] = try local.fault(at: lsn, frame) == nil
      lsn = lsn + Int(frame.length)
    }
    return map
  }

  /// An extent that only the old manifest has: whole if an object holds it, else as far as the disk does.
  private mutating func take(_ extent: AofChunkRecord) throws(AofError) -> AofChunkRecord? {
    if extent.range.upperBound > cuts.local { return try shorten(extent, to: cuts.local) }
    var extent = try resident(extent)
    if object == nil, extent.object != nil { return extent }
    extent.object = nil
    let sound = extent.frames.indices.prefix { extent.residency[$0] }.count
    if sound == extent.frames.count { return extent }
    isCut = true
    guard sound > 0 else { return nil }
    let end = extent.start(ofFrame: sound)
    return AofChunkRecord(
      log: id, chunk: extent.chunk, range: extent.range.lowerBound..<end, generation: extent.generation,
      frames: Array(extent.frames.prefix(sound)), sealedAt: extent.sealedAt)
  }

  var local: LocalFrames { LocalFrames(localChunks, log: id, chunkSize: chunkSize) }

  // MARK: What was applied

  /// The bytes that the old manifest has checksums of beyond its extents, as far as the disk matches them.
  private func findApplied(from sealed: LSN) throws(AofError) -> (LSN, [FrameRecord]) {
    guard let old, old.sealed == sealed, !isCut else { return (sealed, []) }
    var lsn = sealed
    var frames: [FrameRecord] = []
    for frame in old.appliedFrames {
      guard lsn + Int(frame.length) <= cuts.local, try local.fault(at: lsn, frame) == nil else { break }
      frames.append(frame)
      lsn = lsn + Int(frame.length)
    }
    return (lsn, frames)
  }
}
