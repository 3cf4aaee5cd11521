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
    let (head, sealed, generation) = state.withLock { ($0.head, $0.sealed, $0.generation) }
    var position = head
    /// Says what no extent holds from `position` to `lsn`, unless that was truncated meanwhile.
    func passGap(to lsn: LSN) {
      let now = watermarks
      if position < lsn, lsn > now.head, self.generation == generation {
        report.problems.append("log \(id): no extent holds LSN \(max(position, now.head))..<\(lsn)")
      }
    }
    try forEachSealedChunk { chunk throws(AofError) in
      for extent in try verifyLocal(chunk, below: sealed, &report) {
        passGap(to: extent.record.range.lowerBound)
        position = extent.record.range.upperBound
        if remote, let object = extent.record.object { try verify(object, of: extent, in: chunk, &report) }
      }
    }
    passGap(to: sealed)
    return report
  }

  /// Returns the extents that begin below `sealed`, as they were while the chunk was looked through. One may have become a
  /// part of a larger one since.
  private func verifyLocal(
    _ chunk: SealedChunk, below sealed: LSN, _ report: inout VerifyReport
  ) throws(AofError) -> [SealedChunk.Extent] {
    let (extents, checked, problems) = try ChunkLease.holding(chunk) { () throws(AofError) in
      // What is on the local disk now stays there for as long as the lease.
      let extents = chunk.extents.filter { $0.record.range.lowerBound < sealed }
      var (checked, problems) = (0, [String]())
      for extent in extents {
        for frame in extent.frames where extent.resident[frame.index] {
          checked += 1
          guard let fault = try fault(ofLocal: frame), try isCurrent(frame, in: chunk) else { continue }
          problems.append("log \(id), chunk \(chunk.id), LSN \(frame.range.lowerBound)..<\(frame.range.upperBound): \(fault)")
        }
      }
      return (extents, checked, problems)
    }
    report.framesChecked += checked
    report.problems += problems
    return extents
  }

  /// What is wrong with a frame in the chunk file; nil if it matches its checksum.
  func fault(ofLocal frame: SealedChunk.Frame) throws(AofError) -> String? {
    do throws(AofError) {
      return try checksum(ofLocal: frame.range) == frame.checksum ? nil : "bytes do not match their checksum"
    } catch where error.code == .corrupt {
      return error.message
    }
  }

  private func verify(
    _ object: StoredObject, of extent: SealedChunk.Extent, in chunk: SealedChunk, _ report: inout VerifyReport
  ) throws(AofError) {
    report.objectsChecked += 1
    do throws(AofError) {
      try ObjectCheck(services.remoteChunks).check(object, extent.record.frames)
    } catch where error.code == .corrupt {
      // One that was merged, truncated or purged meanwhile may be deleted.
      guard let first = extent.frames.first, chunk.holds(first, in: object), try isCurrent(first, in: chunk) else { return }
      report.problems.append("log \(id), object \(object.key): \(error.message)")
    }
  }
}

extension AofManager {
  /// Checks the manifest's own structure. Reads all of it.
  /// - Returns: one line for each problem.
  public func verifyManifest() throws(AofError) -> [String] { try services.manifest.integrityProblems() }
}
