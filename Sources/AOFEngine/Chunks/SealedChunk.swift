import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

/// What is known of one chunk's sealed extents while it is in use: which frames are on the local disk, and which
/// of those were verified since the store was opened.
final class SealedChunk: Sendable {
  struct Extent {
    var record: AofChunkRecord
    /// Frames whose bytes are in the chunk file; a hint until they are verified.
    var resident: Bitmap
    /// INVARIANT: a subset of `resident`.
    var verified: Bitmap
    /// Frames that were fetched ahead of a reader, and not read since.
    /// INVARIANT: a subset of `resident`.
    var ahead: Bitmap
  }

  struct State {
    /// In the order of their LSNs.
    var extents: [Extent]
    /// Readers, hydrations and uploads at work on the chunk. Nothing is evicted meanwhile.
    var leases = 0
    /// Leases so far; each has its number.
    var leasesEver: UInt64 = 0
    /// A truncation that waits for leases, up to the one with the number `last`.
    var leaseWatch: (request: TruncationRequest, last: UInt64)?
    /// Threads that write fetched bytes to the chunk file.
    var fills = 0
    /// Whether bytes are being discarded. Nothing is filled in meanwhile.
    var isEvicting = false
  }

  /// One frame, and what is needed to check or to fetch it.
  struct Frame: Hashable {
    /// Among those of the extent, and of the object.
    let index: Int
    let range: Range<LSN>
    let checksum: UInt32
    /// The object that holds it; nil while it is only here.
    let object: StoredObject?
  }

  /// Frames that count as gone, and whose bytes are to be discarded.
  struct EvictionClaim {
    /// The new residency of each extent that changes.
    let residency: [(range: Range<LSN>, map: Bitmap)]
    let ranges: [Range<LSN>]
    /// Bytes of them that were fetched ahead of a reader, and never read.
    let unread: Int
  }

  enum Readiness {
    /// The bytes up to `end` can be read from the chunk file. `ahead`: those of them that had been fetched ahead of a
    /// reader and are read for the first time.
    case ready(end: LSN, ahead: Int)
    /// The first frame must be verified first.
    case unverified(Frame)
    /// The first frame is not on the local disk.
    case cold(Frame)
    /// No extent holds this LSN.
    case gap(LSN)
  }

  let id: ChunkID
  let state: Monitor<State>

  init(id: ChunkID, extents: [AofChunkRecord]) {
    self.id = id
    state = Monitor(State(extents: extents.map { Extent(record: $0, verified: false) }))
  }

  /// Adds what a seal brought. `verifiedFrom`: frames from there on were written by this process and need no check.
  func add(_ record: AofChunkRecord, verifiedFrom lsn: LSN) {
    state.withLock { state in
      guard !state.extents.contains(where: { $0.record.range.lowerBound == record.range.lowerBound }) else { return }
      var extent = Extent(record: record, verified: false)
      for frame in extent.frames where frame.range.lowerBound >= lsn { extent.verified[frame.index] = true }
      state.extents.append(extent)
      state.extents.sort { $0.record.range.lowerBound < $1.record.range.lowerBound }
    }
  }

  // MARK: Reading

  /// How much of `span`, which lies in the chunk, can be read, or what must happen before its first byte can.
  func readiness(of span: Range<LSN>) -> Readiness {
    state.withLock { state in
      // In place: an extent that is copied is a dozen objects that are retained.
      state.extents.withUnsafeMutableBufferPointer { extents in
        var position = span.lowerBound
        var ahead = 0
        scan: for place in extents.indices where extents[place].record.range.contains(position) {
          let end = min(span.upperBound, extents[place].record.range.upperBound)
          for index in extents[place].frameIndices(in: position..<end) {
            guard extents[place].resident[index], extents[place].verified[index] else {
              if position > span.lowerBound { break scan }
              let frame = extents[place].frame(at: index)
              return extents[place].resident[index] ? .unverified(frame) : .cold(frame)
            }
            if extents[place].ahead[index] { ahead += extents[place].takeAhead(index) }
            position = min(end, extents[place].frameEnd(at: index))
          }
          if position >= span.upperBound { break }
        }
        return position > span.lowerBound ? .ready(end: position, ahead: ahead) : .gap(position)
      }
    }
  }

  /// Whether the frame is the log's, and not on the local disk.
  func isCold(_ frame: Frame) -> Bool {
    state.withLock { state in state.extents.contains { extent in extent.index(of: frame).map { !extent.resident[$0] } ?? false } }
  }

  /// The frames of `range` that are not on the local disk.
  func coldFrames(in range: Range<LSN>) -> [Frame] {
    state.withLock { state in
      state.extents.flatMap { extent in
        extent.frames(in: range.clamped(to: extent.record.range)).filter { !extent.resident[$0.index] }
      }
    }
  }

  /// Says that the frame's bytes are in the chunk file and match their checksum.
  /// `isAhead`: nobody has asked for them yet.
  func markVerified(_ frame: Frame, isAhead: Bool = false) {
    mark(frame, resident: true, verified: true, isAhead: isAhead)
  }

  /// Says that the frame's bytes in the chunk file are wrong.
  func markLost(_ frame: Frame) { mark(frame, resident: false, verified: false, isAhead: false) }

  private func mark(_ frame: Frame, resident: Bool, verified: Bool, isAhead: Bool) {
    state.withLock { state in
      for index in state.extents.indices {
        guard let place = state.extents[index].index(of: frame) else { continue }
        state.extents[index].resident[place] = resident
        state.extents[index].verified[place] = verified
        state.extents[index].ahead[place] = isAhead
      }
    }
  }

  // MARK: Eviction

  /// Frames that are to be evicted.
  struct Selection {
    let range: Range<LSN>
    /// Those of them that stay: the frame at the start of the range is the lowest bit, and so on.
    var spared: UInt8 = 0
  }

  /// The published bytes of `range`, which lies in the chunk, that are on the local disk.
  func residentBytes(in range: Range<LSN>) -> Int {
    state.withLock { state in
      state.extents.filter { $0.record.object != nil && $0.record.range.overlaps(range) }.reduce(0) { sum, extent in
        extent.frameIndices(in: range.clamped(to: extent.record.range)).reduce(sum) { sum, index in
          sum + (extent.resident[index] ? Int(extent.record.frames[index].length) : 0)
        }
      }
    }
  }

  /// Claims the published frames below `limit` for eviction, those of `selections` or all: they count as gone from now on.
  /// - Returns: what to record and to discard; nil while the chunk is under lease.
  func beginEviction(below limit: LSN, _ selections: [Selection]? = nil) -> EvictionClaim? {
    let mayEvict = state.change { state in
      guard state.leases == 0, !state.isEvicting else { return false }
      // No fill begins from here on; those that began before end soon.
      state.isEvicting = true
      return true
    }
    guard mayEvict else { return nil }
    waitForFills()
    return state.change { state in
      guard state.leases == 0 else {
        state.isEvicting = false
        return nil
      }
      var unread = 0
      var residency: [(Range<LSN>, Bitmap)] = []
      var ranges: [Range<LSN>] = []
      for index in state.extents.indices where state.extents[index].record.object != nil {
        let frames = state.extents[index].takeEvictable(below: limit, selections)
        guard !frames.isEmpty else { continue }
        for frame in frames {
          state.extents[index].resident[frame.index] = false
          state.extents[index].verified[frame.index] = false
          if state.extents[index].ahead[frame.index] { unread += state.extents[index].takeAhead(frame.index) }
          ranges.join(frame.range)
        }
        state.extents[index].record.residency = state.extents[index].resident
        residency.append((state.extents[index].record.range, state.extents[index].resident))
      }
      state.isEvicting = !ranges.isEmpty
      return EvictionClaim(residency: residency, ranges: ranges, unread: unread)
    }
  }

  /// Claims the frames that count as gone: nobody fills them until ``endEviction()``.
  /// - Returns: where their bytes would be.
  func beginDiscarding() -> [Range<LSN>] {
    state.wait { state -> Void? in
      if state.isEvicting { return nil }
      state.isEvicting = true
      return ()
    }
    waitForFills()
    return state.withLock { state in
      state.extents.flatMap { extent in extent.frames.filter { !extent.resident[$0.index] } }
        .reduce(into: []) { ranges, frame in ranges.join(frame.range) }
    }
  }

  func endEviction() { state.change { $0.isEvicting = false } }

  /// Records the object that holds the extent now, if the log still has it.
  func setObject(_ object: StoredObject, of extent: AofChunkRecord) {
    state.withLock { state in
      for index in state.extents.indices where state.extents[index].record.isSameRun(as: extent) {
        state.extents[index].record.object = object
      }
    }
  }

  /// Puts the merged extent in the place of those that it is made of. Whoever is at work on their frames goes on: a frame
  /// is known by its place and checksum, and one that was joined with its neighbour is asked for anew.
  func merge(into record: AofChunkRecord) {
    state.withLock { state in
      let parts = state.extents.filter { record.range.contains($0.record.range.lowerBound) }
      guard let first = state.extents.firstIndex(where: { record.range.contains($0.record.range.lowerBound) }) else { return }
      var merged = Extent(record: record, verified: false)
      for frame in merged.frames {
        let held = parts.flatMap { part in
          part.frames(in: frame.range.clamped(to: part.record.range)).map {
            (part.resident[$0.index], part.verified[$0.index])
          }
        }
        merged.resident[frame.index] = held.allSatisfy(\.0)
        merged.verified[frame.index] = held.allSatisfy(\.1)
      }
      state.extents.replaceSubrange(first..<(first + parts.count), with: [merged])
    }
  }

  var extents: [Extent] { state.withLock { $0.extents } }

  /// Whether the chunk could be loaded again as it is, but for what was verified.
  var isAtRest: Bool {
    state.withLock { state in
      state.leases == 0 && state.fills == 0 && !state.isEvicting
        && state.extents.allSatisfy { $0.resident == $0.record.residency && $0.ahead.isEmpty }
    }
  }

  /// The manifest says of an extent's frames which are on the local disk.
  func didRecord(_ residency: Bitmap, of range: Range<LSN>) {
    state.withLock { state in
      for index in state.extents.indices where state.extents[index].record.range == range {
        state.extents[index].record.residency = residency
      }
    }
  }
}

extension SealedChunk.Extent {
  init(record: AofChunkRecord, verified: Bool) {
    self.record = record
    resident = record.residency
    self.verified = Bitmap(count: record.frames.count, filled: verified)
    ahead = Bitmap(count: record.frames.count, filled: false)
  }

  /// The frames on the local disk that an eviction is to take.
  mutating func takeEvictable(below limit: LSN, _ selections: [SealedChunk.Selection]?) -> [SealedChunk.Frame] {
    let all = [SealedChunk.Selection(range: record.range)]
    var found: [SealedChunk.Frame] = []
    for selection in selections ?? all where selection.range.overlaps(record.range) {
      for index in frameIndices(in: selection.range.clamped(to: record.range)) where resident[index] {
        let frame = frame(at: index)
        let place = (frame.range.lowerBound.rawValue - selection.range.lowerBound.rawValue) / Self.grid
        guard frame.range.upperBound <= limit, selection.spared >> place & 1 == 0 else { continue }
        found.append(frame)
      }
    }
    return found.sorted { $0.index < $1.index }
  }

  /// The frame is read for the first time, or given up unread. - Returns: its bytes.
  mutating func takeAhead(_ index: Int) -> Int {
    ahead[index] = false
    return Int(record.frames[index].length)
  }

  var frames: [SealedChunk.Frame] { record.frames.indices.map(frame(at:)) }

  func frames(in range: Range<LSN>) -> [SealedChunk.Frame] { frameIndices(in: range).map(frame(at:)) }

  /// Which frames hold bytes of `range`, which lies in the extent.
  func frameIndices(in range: Range<LSN>) -> Range<Int> {
    guard !range.isEmpty else { return 0..<0 }
    let first = Int(range.lowerBound.rawValue / Self.grid - firstCell)
    let last = Int((range.upperBound.rawValue - 1) / Self.grid - firstCell)
    return (first..<(last + 1)).clamped(to: record.frames.indices)
  }

  /// The frame with this index, which exists.
  func frame(at index: Int) -> SealedChunk.Frame {
    let cell = LSN(rawValue: (firstCell + UInt64(index)) * Self.grid)
    let start = max(cell, record.range.lowerBound)
    return SealedChunk.Frame(
      index: index, range: start..<(start + Int(record.frames[index].length)),
      checksum: record.frames[index].checksum, object: record.object)
  }

  /// The LSN after its last byte; costs no look at its object.
  func frameEnd(at index: Int) -> LSN {
    max(LSN(rawValue: (firstCell + UInt64(index)) * Self.grid), record.range.lowerBound) + Int(record.frames[index].length)
  }

  private static var grid: UInt64 { UInt64(Limits.frameSize) }
  private var firstCell: UInt64 { record.range.lowerBound.rawValue / Self.grid }

  var residency: ChunkResidency { resident.isFull ? .resident : resident.isEmpty ? .evicted : .partial }
}

/// Where an extent's bytes are.
public enum ChunkResidency: String, Hashable, Sendable, Codable {
  /// All on the local disk.
  case resident
  case partial
  /// Only in the remote.
  case evicted
}
