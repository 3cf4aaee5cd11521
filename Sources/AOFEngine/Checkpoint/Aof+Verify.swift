import AOFCore
import AOFManifest
import AOFSystem

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

  private func verify(
    _ object: StoredObject, of extent: SealedChunk.Extent, _ report: inout VerifyReport
  ) throws(AofError) {
    report.objectsChecked += 1
    do throws(AofError) {
      try ObjectCheck(services.remoteChunks).check(object, extent.record.frames)
    } catch where error.code == .corrupt {
      report.problems.append("log \(id), object \(object.key): \(error.message)")
    }
  }
}

extension AofManager {
  /// Checks the manifest's own structure. Reads all of it.
  /// - Returns: one line for each problem.
  public func verifyManifest() throws(AofError) -> [String] { try services.manifest.integrityProblems() }
}
