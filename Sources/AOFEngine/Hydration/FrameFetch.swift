import AOFCompression
import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// The work of one download: reads its frames from the remote, checks them, hands them to those who wait, and writes them
/// to the chunk file.
///
/// Readers are told before the chunk file is written, and do not need it: a disk that is full, or a quota that is used up
/// by what may not go, keeps nobody from reading.
struct FrameFetch {
  /// How often wrong bytes are asked for again before they count as damage.
  static let attempts = 4
  /// Frames that are unpacked before they are written: 1 MiB, which the processor's cache still has then.
  private static let writtenAtOnce = 8

  private let download: Download
  private let hydrator: Hydrator
  private let services: EngineServices

  init(_ download: Download, _ hydrator: Hydrator) {
    self.download = download
    self.hydrator = hydrator
    services = download.log.services
  }

  /// - Throws: `corrupt` when the remote's bytes stay wrong; `remoteFailure`; `interrupted` if nobody wants them any more.
  func fetch() throws(AofError) {
    guard !hydrator.abandon(download) else { throw Self.abandoned }
    let watch = Stopwatch()
    var failure: AofError?
    defer {
      if let first = download.frames.first, let last = download.frames.last, failure?.code != .interrupted {
        services.observation.report(
          .hydration(
            download.log.id, first.range.lowerBound..<last.range.upperBound, took: watch.elapsed, failure: failure))
      }
    }
    do throws(AofError) {
      try fetchFrames()
      if download.reader != nil {
        hydrator.ahead.fetched.wrappingAdd(UInt64(download.byteCount), ordering: .relaxed)
      }
    } catch {
      // Nobody needs what was truncated meanwhile, and what was merged is in another object now: who waits for it finds
      // that out by reading again.
      guard download.frames.contains(where: { download.chunk.holds($0, in: download.object) }) else { return }
      failure = error
      throw error
    }
  }

  private static let abandoned = AofError(.interrupted, "the reader has gone")

  private func fetchFrames() throws(AofError) {
    let key = try ObjectKey(parsing: download.object.key)
    let plain = try download.allocate()
    var pending = download.frames[...]
    var attempt = 1
    while let first = pending.first {
      let loaded = try read(key, pending, into: plain, isLast: attempt == Self.attempts)
      storeWithoutRoom(loaded)
      pending = pending.dropFirst(loaded.count)
      guard let bad = pending.first else { continue }
      // Only what makes progress begins anew.
      attempt = bad.index == first.index ? attempt + 1 : 2
    }
  }

  /// Reads frames with one request, and tells of each that is good. Stops at the first that is not.
  /// - Throws: what the remote says; `corrupt` for a frame that is wrong, if this was the last attempt.
  private func read(
    _ key: ObjectKey, _ frames: ArraySlice<SealedChunk.Frame>, into plain: UnsafeMutableRawBufferPointer, isLast: Bool
  ) throws(AofError) -> [Loaded] {
    let lengths = frames.map { Int(download.object.frameLengths[$0.index]) }
    let skipped = download.compressed.count - lengths.reduce(0, +)
    let compressed = try hydrator.pool.take(download.compressed.count - skipped)
    defer {
      hydrator.pool.giveBack(compressed)
      hydrator.freedCompressed(download)
    }
    let bytes = UnsafeMutableRawBufferPointer(rebasing: compressed[..<(download.compressed.count - skipped)])
    try services.remoteChunks.read(key, at: UInt64(download.compressed.lowerBound + skipped), into: bytes)
    guard !hydrator.abandon(download) else { throw Self.abandoned }
    let decompressor = try FrameDecompressor()
    var loaded: [Loaded] = []
    var position = 0
    var isFilling = false
    // Loaded, with room in the cache, and not written yet.
    var unwritten = ArraySlice<SealedChunk.Frame>()
    defer {
      if isFilling {
        store(unwritten)
        download.chunk.endFill()
      }
    }
    for (frame, length) in zip(frames, lengths) {
      let piece = UnsafeRawBufferPointer(rebasing: bytes[position..<(position + length)])
      position += length
      do throws(AofError) {
        try unpack(piece, frame, into: plain, decompressor)
      } catch where error.code == .corrupt && !isLast {
        services.observation.report(
          .damage,
          "\(download.object.key): the frame of LSN \(frame.range.lowerBound) came back wrong (\(error.message)); asking again")
        return loaded
      }
      if !isFilling {
        // Before anybody is told: an eviction that comes after the frame was read finds it in the chunk file.
        download.chunk.beginFill()
        isFilling = true
      }
      let hasRoom = services.reserve.admitsGrowth && services.cache.reserve(frame.range.byteCount)
      loaded.append(Loaded(frame: frame, hasRoom: hasRoom))
      hydrator.loaded(download, frame)
      guard hasRoom else { continue }
      unwritten.append(frame)
      if unwritten.count == Self.writtenAtOnce {
        store(unwritten)
        unwritten = []
      }
    }
    return loaded
  }

  private func unpack(
    _ compressed: UnsafeRawBufferPointer, _ frame: SealedChunk.Frame, into plain: UnsafeMutableRawBufferPointer,
    _ decompressor: FrameDecompressor
  ) throws(AofError) {
    guard let first = download.frames.first else { return }
    let offset = frame.range.lowerBound - first.range.lowerBound
    let target = UnsafeMutableRawBufferPointer(rebasing: plain[offset..<(offset + frame.range.byteCount)])
    try decompressor.decompress(compressed, into: target)
    guard CRC32C.checksum(UnsafeRawBufferPointer(target)) == frame.checksum else {
      throw AofError(.corrupt, "its checksum does not match")
    }
  }

  // MARK: The local disk

  /// A frame that is in memory.
  private struct Loaded {
    let frame: SealedChunk.Frame
    /// Whether room in the cache was set aside for it.
    let hasRoom: Bool
  }

  /// Writes frames that room was set aside for to the chunk file, within a fill.
  private func store(_ frames: ArraySlice<SealedChunk.Frame>) {
    var rest = frames
    // Adjacent frames with one call: threads that write to the same file take turns.
    while let first = rest.first {
      var end = first.range.lowerBound
      let adjacent = rest.prefix { frame in
        defer { end = frame.range.upperBound }
        return frame.range.lowerBound == end
      }
      stored(adjacent) { () throws(AofError) in try write(adjacent) }
      rest = rest.dropFirst(adjacent.count)
    }
  }

  /// Makes room for the others, outside of a fill: what has to go may be in the same chunk.
  private func storeWithoutRoom(_ loaded: [Loaded]) {
    for entry in loaded where !entry.hasRoom {
      stored([entry.frame]) { () throws(AofError) in
        let count = entry.frame.range.byteCount
        try download.log.makeRoomForCopies(count)
        guard services.cache.reserve(count) else {
          throw AofError(
            .quotaExceeded, "the cache quota is full of what may not be evicted",
            remedy: "checkpoint, or mount with a larger cache size")
        }
        download.chunk.beginFill()
        defer { download.chunk.endFill() }
        try write([entry.frame])
      }
    }
  }

  /// Tells what `body`, which keeps the frames, came to. What was not kept stays in memory.
  private func stored(_ frames: ArraySlice<SealedChunk.Frame>, _ body: () throws(AofError) -> Void) {
    var failure: AofError?
    do throws(AofError) {
      try body()
    } catch {
      failure = error
      if error.code != .noSpace, error.code != .quotaExceeded {
        services.observation.report(error, "bytes of log \(download.log.id) that came back could not be kept")
      }
    }
    for frame in frames { hydrator.stored(download, frame, failure) }
  }

  /// Writes adjacent frames that room was set aside for, within a fill.
  private func write(_ frames: ArraySlice<SealedChunk.Frame>) throws(AofError) {
    defer { for frame in frames { services.cache.unreserve(frame.range.byteCount) } }
    // What was truncated must not come back; a truncation waits for fills that began before it. One that cuts a download
    // in two leaves all of it to the next reader.
    guard let first = frames.first, let last = frames.last, frames.allSatisfy({ download.chunk.holds($0) }) else { return }
    let range = first.range.lowerBound..<last.range.upperBound
    guard let bytes = download.bytes(of: range) else { return }
    try services.localChunks.write(
      bytes, of: download.log.id, at: range.lowerBound, chunkSize: download.log.chunkSize, isCopy: true)
    for frame in frames { download.chunk.markVerified(frame, isAhead: hydrator.isUnread(download)) }
    download.log.joinCache(range)
  }
}
