import AOFCompression
import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// One download: reads adjacent frames of an object, checks them, and writes them to the chunk file.
struct FrameFetch {
  /// How often wrong bytes are asked for again before they count as damage.
  static let attempts = 4

  private let run: Hydrator.Run
  private let services: EngineServices

  init(_ run: Hydrator.Run) {
    self.run = run
    services = run.log.services
  }

  /// - Throws: `corrupt` when the remote's bytes stay wrong; `remoteFailure`; local failures.
  func fetch() throws(AofError) {
    let watch = Stopwatch()
    var failure: AofError?
    defer {
      if let first = run.frames.first, let last = run.frames.last {
        services.observation.report(
          .hydration(
            run.log.id, first.range.lowerBound..<last.range.upperBound, took: watch.elapsed, failure: failure))
      }
    }
    do throws(AofError) { try fetchRun() } catch {
      failure = error
      throw error
    }
  }

  private func fetchRun() throws(AofError) {
    let key = try ObjectKey(parsing: run.object.key)
    let compressed = try compressedRange()
    // Before the chunk is held: it may be the one with room to give.
    try run.log.makeRoomForCopies(run.frames.reduce(0) { $0 + $1.range.byteCount })
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: compressed.count, alignment: 64)
    defer { buffer.deallocate() }
    // Frames count as resident from the first that is written, so the chunk is held against eviction.
    do throws(AofError) {
      try ChunkLease.holding(run.chunk) { () throws(AofError) in try fetch(key, compressed, buffer) }
    } catch {
      // Nobody needs what was truncated meanwhile, and what was merged is in another object now: who waits for it finds
      // that out by reading again.
      if run.frames.contains(where: { run.chunk.holds($0, in: run.object) }) { throw error }
    }
  }

  private func fetch(
    _ key: ObjectKey, _ compressed: Range<Int>, _ buffer: UnsafeMutableRawBufferPointer
  ) throws(AofError) {
    let decompressor = try FrameDecompressor()
    var pending = run.frames[...]
    var attempt = 1
    while let frame = pending.first {
      try services.remoteChunks.read(key, at: UInt64(compressed.lowerBound), into: buffer)
      do throws(AofError) {
        while let next = pending.first {
          try store(next, from: UnsafeRawBufferPointer(buffer), at: compressed.lowerBound, decompressor)
          pending = pending.dropFirst()
        }
      } catch where error.code == .corrupt && attempt < Self.attempts {
        services.observation.report(
          .damage,
          "\(run.object.key): the frame of LSN \(frame.range.lowerBound) came back wrong (\(error.message)); "
            + "asking again, attempt \(attempt) of \(Self.attempts)")
        attempt += 1
      }
    }
  }

  /// Where in the object the run's frames lie.
  private func compressedRange() throws(AofError) -> Range<Int> {
    guard let first = run.frames.first, let last = run.frames.last,
      run.object.frameLengths.indices.contains(last.index)
    else { throw AofError(.corrupt, "\(run.object.key) has fewer frames than its extent") }
    return offset(of: first.index)..<(offset(of: last.index) + Int(run.object.frameLengths[last.index]))
  }

  private func offset(of index: Int) -> Int {
    run.object.frameLengths[..<index].reduce(0) { $0 + Int($1) }
  }

  private func store(
    _ frame: SealedChunk.Frame, from bytes: UnsafeRawBufferPointer, at base: Int, _ decompressor: FrameDecompressor
  ) throws(AofError) {
    let start = offset(of: frame.index) - base
    let compressed = UnsafeRawBufferPointer(
      rebasing: bytes[start..<(start + Int(run.object.frameLengths[frame.index]))])
    let plain = UnsafeMutableRawBufferPointer.allocate(byteCount: frame.range.byteCount, alignment: 4096)
    defer { plain.deallocate() }
    try decompressor.decompress(compressed, into: plain)
    guard CRC32C.checksum(UnsafeRawBufferPointer(plain)) == frame.checksum else {
      throw AofError(.corrupt, "its checksum does not match")
    }
    guard run.chunk.beginFill(frame) else { return }
    defer { run.chunk.endFill() }
    try services.localChunks.write(
      UnsafeRawBufferPointer(plain), of: run.log.id, at: frame.range.lowerBound, chunkSize: run.log.chunkSize,
      isCopy: true)
    run.chunk.markVerified(frame)
  }
}
