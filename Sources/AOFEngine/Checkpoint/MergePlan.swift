import AOFManifest

/// Which extents of a full chunk become one object.
///
/// Those that follow each other, are of one generation, and lie wholly on the local disk. The extent that completes a
/// chunk must be uploaded anyhow, so the merger costs no request more than that does. What was evicted is never brought
/// back for it: the requests and the traffic would cost more than the objects do that it saves (docs/S3.md).
enum MergePlan {
  /// - Parameter extents: of one chunk, in the order of their LSNs.
  /// - Returns: the runs of extents to merge, each of at least two.
  static func runs(_ extents: [SealedChunk.Extent]) -> [[AofChunkRecord]] {
    var runs: [[AofChunkRecord]] = [[]]
    for extent in extents where extent.resident.isFull {
      if let last = runs.last?.last, !last.isContinued(by: extent.record) { runs.append([]) }
      runs[runs.count - 1].append(extent.record)
    }
    return runs.filter { $0.count > 1 }
  }
}
