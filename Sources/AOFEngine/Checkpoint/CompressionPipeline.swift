import AOFCompression
import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

/// Compresses the frames of an extent on several threads, and hands them on in their order, in bounded memory.
///
/// The threads are the store's, of low priority: appends and reads come first.
final class CompressionPipeline {
  /// Frames that are compressed or wait to be taken: two for each thread keep all of them busy.
  private static var width: Int { 2 * SystemThread.processorCount + 1 }

  private let extent: AofChunkRecord
  private let log: Aof
  private let slots: [Slot]
  private var position: LSN
  private var submitted = 0

  init(_ extent: AofChunkRecord, of log: Aof) throws(AofError) {
    self.extent = extent
    self.log = log
    position = extent.range.lowerBound
    var slots: [Slot] = []
    for _ in 0..<max(1, min(Self.width, extent.frames.count)) {
      slots.append(try Slot(level: log.services.compressionLevel))
    }
    self.slots = slots
  }

  /// Calls `body` for each frame with its compressed bytes, in order. One that throws ends it.
  /// - Throws: `corrupt` if local bytes do not match their checksums: damage is never uploaded; `interrupted` when the
  ///   store is being closed; what `body` throws.
  func forEachFrame(_ body: (FrameRecord, LSN, UnsafeRawBufferPointer) throws(AofError) -> Void) throws(AofError) {
    var start = extent.range.lowerBound
    for index in extent.frames.indices {
      submit(upTo: index + slots.count)
      let slot = slots[index % slots.count]
      try slot.wait()
      try slot.compressed.withTypedBytes { bytes throws(AofError) in try body(extent.frames[index], start, bytes) }
      start = start + Int(extent.frames[index].length)
    }
  }

  /// Queues the frames before the one with this index that are not queued yet. The slots of all of them are free.
  private func submit(upTo limit: Int) {
    while submitted < min(limit, extent.frames.count) {
      slots[submitted % slots.count].begin(extent.frames[submitted], at: position, of: log)
      position = position + Int(extent.frames[submitted].length)
      submitted += 1
    }
  }
}

/// One frame on its way. From `begin` to the outcome its buffers are the compressing thread's, and else the uploader's.
private final class Slot: @unchecked Sendable {  // `outcome`, a monitor, hands the buffers over
  private let plain: UnsafeMutableRawBufferPointer
  private let compressor: FrameCompressor
  private let outcome = Monitor<Result<Void, AofError>?>(nil)
  private(set) var compressed: [UInt8] = []

  init(level: Int32) throws(AofError) {
    compressor = try FrameCompressor(level: level)
    plain = .allocate(byteCount: Limits.frameSize, alignment: 4096)
  }

  deinit { plain.deallocate() }

  func begin(_ frame: FrameRecord, at lsn: LSN, of log: Aof) {
    outcome.change { $0 = nil }
    let isQueued = log.services.compression.add { [self] in
      let result: Result<Void, AofError>
      do throws(AofError) {
        result = .success(try compress(frame, at: lsn, of: log))
      } catch {
        result = .failure(error)
      }
      outcome.change { $0 = result }
    }
    if !isQueued { outcome.change { $0 = .failure(AofError(.interrupted, "the store is being closed")) } }
  }

  func wait() throws(AofError) { try outcome.wait { $0 }.get() }

  private func compress(_ frame: FrameRecord, at lsn: LSN, of log: Aof) throws(AofError) {
    let bytes = UnsafeMutableRawBufferPointer(rebasing: plain[..<Int(frame.length)])
    try log.services.localChunks.read(into: bytes, of: log.id, at: lsn, chunkSize: log.chunkSize)
    guard CRC32C.checksum(UnsafeRawBufferPointer(bytes)) == frame.checksum else {
      throw AofError(
        .corrupt, "LSN \(lsn)..<\(lsn + bytes.count) of log \(log.id) is damaged and is not uploaded",
        remedy: "restore the chunk file from a backup")
    }
    compressed.removeAll(keepingCapacity: true)
    _ = try compressor.compress(UnsafeRawBufferPointer(bytes), appendingTo: &compressed)
  }
}
