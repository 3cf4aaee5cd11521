import AOFCompression
import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// Turns one sealed extent into an object of the remote, frame by frame, in bounded memory.
struct ExtentUpload {
  private let extent: AofChunkRecord
  private let log: Aof
  private let epoch: UInt64

  init(_ extent: AofChunkRecord, of log: Aof, epoch: UInt64) {
    self.extent = extent
    self.log = log
    self.epoch = epoch
  }

  /// - Throws: `corrupt` if the local bytes do not match their checksums: damage is never uploaded; `remoteFailure`.
  func run() throws(AofError) -> UploadedObject {
    let compressor = try FrameCompressor()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.frameSize, alignment: 4096)
    defer { buffer.deallocate() }
    let spec = RemoteChunkSpec(
      log: log.id, chunk: extent.chunk, range: extent.range, generation: extent.generation, epoch: epoch)
    return try log.services.remoteChunks.upload(spec) { writer throws(AofError) in
      var position = extent.range.lowerBound
      var compressed: [UInt8] = []
      for frame in extent.frames {
        let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(frame.length)])
        try log.services.localChunks.read(into: bytes, of: log.id, at: position, chunkSize: log.chunkSize)
        guard CRC32C.checksum(UnsafeRawBufferPointer(bytes)) == frame.checksum else {
          throw AofError(
            .corrupt, "LSN \(position)..<\(position + bytes.count) of log \(log.id) is damaged and is not uploaded",
            remedy: "restore the chunk file from a backup")
        }
        compressed.removeAll(keepingCapacity: true)
        _ = try compressor.compress(UnsafeRawBufferPointer(bytes), appendingTo: &compressed)
        try compressed.withTypedBytes { compressed throws(AofError) in
          try writer.write(
            compressed,
            ObjectInfo.Frame(start: position, length: frame.length, crc32c: frame.checksum, time: frame.time))
        }
        position = position + bytes.count
      }
    }
  }
}
