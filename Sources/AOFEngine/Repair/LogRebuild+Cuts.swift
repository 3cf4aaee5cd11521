import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

/// Truncations that came after the remote was last written, or the old manifest: what either has past them is void, and
/// must not come back.
extension LogRebuild {
  /// Where that which a source has of the log ends to count.
  struct Cuts {
    /// For extents of the remote.
    var published = LSN(rawValue: .max)
    /// For what the old manifest has.
    var local = LSN(rawValue: .max)
    /// Where the WAL goes on in a generation that neither knows of; nil if there is none. The cut was there or below.
    var unknown: LSN?
  }

  mutating func findCuts() -> Cuts {
    var cuts = Cuts()
    if let old, let remote, old.generation > remote.generation { cuts.published = untouched(old, remote) }
    let known = [old?.generation, remote?.generation].compactMap { $0 }.max()
    guard let known, let start = frames?.start(after: known) else { return cuts }
    cuts.unknown = start
    cuts.local = start
    cuts.published = min(cuts.published, start)
    if (remoteExtents.map(\.key.range) + oldExtents.map(\.range)).contains(where: { $0.upperBound > start }) {
      notes.append(
        "log \(id): the WAL goes on at LSN \(start) in a later generation than is known otherwise: the log was truncated "
          + "there or below, and what was past that is void")
    }
    return cuts
  }

  /// Up to where no cut that the old manifest knows of, and the remote does not, has gone. There may have been several;
  /// each of them took every extent past it away, so none was below the end of one that is left.
  private func untouched(_ old: AofDescriptorRecord, _ remote: RemoteLogRecord) -> LSN {
    let left = oldExtents.filter { $0.generation <= remote.generation }.map(\.range.upperBound).max() ?? .zero
    return old.generation == remote.generation.next ? max(left, old.generationStart) : left
  }

  /// The part of an extent below `end`, of what is on the disk: a cut has left it there. A frame that is split has no
  /// checksum of its own: the disk is compared with the whole one in the object.
  /// - Returns: nil if nothing of it can be proven.
  mutating func shorten(_ extent: AofChunkRecord, to end: LSN) throws(AofError) -> AofChunkRecord? {
    var frames: [FrameRecord] = []
    var lsn = extent.range.lowerBound
    for (index, frame) in extent.frames.enumerated() where lsn < end {
      if lsn + Int(frame.length) <= end, try local.fault(at: lsn, frame) == nil {
        frames.append(frame)
        lsn = lsn + Int(frame.length)
        continue
      }
      let bytes = try local.present(at: lsn, min(Int(frame.length), end - lsn))
      let whole = try content(extent, index) ?? []
      let count = zip(bytes, whole).prefix { $0 == $1 }.count
      guard count > 0 else { break }
      let checksum = bytes[..<count].withUnsafeBytes { CRC32C.checksum($0) }
      frames.append(FrameRecord(length: UInt32(clamping: count), checksum: checksum, time: frame.time))
      lsn = lsn + count
      break
    }
    if lsn < end {
      isCut = true
      notes.append(
        "log \(id): the disk does not have LSN \(lsn)..<\(end) as it was before the truncation, so the log ends there")
    }
    guard !frames.isEmpty else { return nil }
    return AofChunkRecord(
      log: id, chunk: extent.chunk, range: extent.range.lowerBound..<lsn, generation: extent.generation,
      frames: frames, sealedAt: extent.sealedAt)
  }

  /// Whether the disk has bytes of its own in the extent's place. A frame that is evicted leaves zeros, or bytes of the
  /// page that it shares with the next one.
  func isOverwritten(_ extent: AofChunkRecord) throws(AofError) -> Bool {
    for (index, frame) in extent.frames.enumerated() where !extent.residency[index] {
      let bytes = try local.present(at: extent.start(ofFrame: index), Int(frame.length))
      guard bytes.contains(where: { $0 != 0 }), let whole = try content(extent, index) else { continue }
      if zip(bytes, whole).contains(where: { $0 != 0 && $0 != $1 }) { return true }
    }
    return false
  }

  /// What the object of an extent has of one of its frames; nil if it has none, or nothing that matches the checksum.
  private func content(_ extent: AofChunkRecord, _ index: Int) throws(AofError) -> [UInt8]? {
    guard let object, let stored = extent.object else { return nil }
    do throws(AofError) {
      return try object.content(of: stored, extent.frames[index], index)
    } catch where error.isAboutObject {
      return nil
    }
  }
}
