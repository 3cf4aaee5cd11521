import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote

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

  /// - Parameter checkCancellation: throws once the upload is to end.
  /// - Throws: as ``CompressionPipeline/forEachFrame(_:)``; `remoteFailure`.
  func run(_ checkCancellation: () throws(AofError) -> Void) throws(AofError) -> UploadedObject {
    let pipeline = try CompressionPipeline(extent, of: log)
    let spec = RemoteChunkSpec(
      log: log.id, chunk: extent.chunk, range: extent.range, generation: extent.generation, epoch: epoch)
    return try log.services.remoteChunks.upload(spec) { writer throws(AofError) in
      try pipeline.forEachFrame { frame, lsn, compressed throws(AofError) in
        try checkCancellation()
        try writer.write(
          compressed, ObjectInfo.Frame(start: lsn, length: frame.length, crc32c: frame.checksum, time: frame.time))
      }
    }
  }
}
