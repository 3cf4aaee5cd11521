import AOFCompression
import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// What a verification found.
public struct VerifyReport: Hashable, Sendable {
  public var framesChecked = 0
  public var objectsChecked = 0
  /// One line for each damaged thing, naming where it is and what was expected.
  public var problems: [String] = []

  public init() {}
}

extension Aof {
  /// Checks every sealed frame on the local disk against its checksum, that extents follow each other without a gap,
  /// and with `remote` every object: its size, checksum, and each frame's content. Blocks on the local disk, and with
  /// `remote` waits for the remote.
  /// - Returns: what is damaged; nothing is changed.
  /// - Throws: local failures and `remoteFailure`, when it cannot go on.
  public func verify(remote: Bool = false) throws(AofError) -> VerifyReport {
    var report = VerifyReport()
    let marks = watermarks
    var position = marks.head
    for chunk in try sealedChunks() {
      for extent in chunk.extents where extent.record.range.upperBound <= marks.sealed {
        if extent.record.range.lowerBound > position {
          report.problems.append("log \(id): no extent holds LSN \(position)..<\(extent.record.range.lowerBound)")
        }
        position = extent.record.range.upperBound
        try verifyLocal(chunk, extent, &report)
        if remote, let object = extent.record.object { try verify(object, of: extent, &report) }
      }
    }
    if position < marks.sealed {
      report.problems.append("log \(id): no extent holds LSN \(position)..<\(marks.sealed)")
    }
    return report
  }

  private func verifyLocal(
    _ chunk: SealedChunk, _ extent: SealedChunk.Extent, _ report: inout VerifyReport
  ) throws(AofError) {
    let failures = try ChunkLease.holding(chunk) { () throws(AofError) in
      var failures: [String] = []
      for frame in extent.frames where extent.resident[frame.index] {
        report.framesChecked += 1
        do throws(AofError) {
          guard try checksum(ofLocal: frame.range) != frame.checksum else { continue }
          failures.append("bytes do not match their checksum")
        } catch where error.code == .corrupt {
          failures.append(error.message)
        }
        let index = failures.count - 1
        failures[index] =
          "log \(id), chunk \(chunk.id), LSN \(frame.range.lowerBound)..<\(frame.range.upperBound): \(failures[index])"
      }
      return failures
    }
    report.problems += failures
  }

  /// Reads an object from its start to its end, once.
  private func verify(
    _ object: StoredObject, of extent: SealedChunk.Extent, _ report: inout VerifyReport
  ) throws(AofError) {
    report.objectsChecked += 1
    do throws(AofError) {
      let key = try ObjectKey(parsing: object.key)
      let decompressor = try FrameDecompressor()
      var offset: UInt64 = 0
      var checksum: UInt32 = 0
      for frame in extent.frames {
        let length = Int(object.frameLengths[frame.index])
        var compressed = [UInt8](repeating: 0, count: length)
        try compressed.withTypedMutableBytes { bytes throws(AofError) in
          try services.remoteChunks.read(key, at: offset, into: bytes)
        }
        var plain = [UInt8](repeating: 0, count: frame.range.byteCount)
        try compressed.withTypedBytes { compressed throws(AofError) in
          checksum = CRC32C.checksum(compressed, continuing: checksum)
          try plain.withTypedMutableBytes { plain throws(AofError) in
            try decompressor.decompress(compressed, into: plain)
          }
        }
        guard plain.withUnsafeBytes({ CRC32C.checksum($0) }) == frame.checksum else {
          throw AofError(.corrupt, "the frame of LSN \(frame.range.lowerBound) does not match its checksum")
        }
        offset += UInt64(length)
      }
      try verifyTrailer(object, key, from: offset, checksum)
    } catch where error.code == .corrupt {
      report.problems.append("log \(id), object \(object.key): \(error.message)")
    }
  }

  private func verifyTrailer(
    _ object: StoredObject, _ key: ObjectKey, from offset: UInt64, _ checksum: UInt32
  ) throws(AofError) {
    guard object.size > offset, object.size - offset < 1 << 30 else {
      throw AofError(.corrupt, "its frames do not fit its size of \(object.size) bytes")
    }
    var trailer = [UInt8](repeating: 0, count: Int(object.size - offset))
    try trailer.withTypedMutableBytes { bytes throws(AofError) in
      try services.remoteChunks.read(key, at: offset, into: bytes)
    }
    guard trailer.withUnsafeBytes({ CRC32C.checksum($0, continuing: checksum) }) == object.checksum else {
      throw AofError(.corrupt, "it does not match its checksum")
    }
    _ = try services.remoteChunks.readTrailer(
      key, size: object.size, frameCount: UInt32(truncatingIfNeeded: object.frameLengths.count))
  }
}

extension AofManager {
  /// Checks the manifest's own structure. Reads all of it.
  /// - Returns: one line for each problem.
  public func verifyManifest() throws(AofError) -> [String] { try services.manifest.integrityProblems() }
}
