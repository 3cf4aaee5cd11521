import AOFCore
import AOFManifest
import AOFSystem

extension SealedChunk {
  // MARK: Leases

  /// Counts a lease, and returns its number.
  func beginLease() -> UInt64 {
    state.withLock { state in
      state.leases += 1
      state.leasesEver += 1
      return state.leasesEver
    }
  }

  var isLeased: Bool { state.withLock { $0.leases > 0 } }

  func endLease(_ number: UInt64) {
    let watcher = state.change { state -> TruncationRequest? in
      state.leases -= 1
      guard let watch = state.leaseWatch, number <= watch.last else { return nil }
      return watch.request
    }
    watcher?.leaseEnded()
  }

  /// Tells the request when each of the leases that there are ends, until ``stopWatching()``.
  /// - Returns: how many there are.
  func watchLeases(_ request: TruncationRequest) -> Int {
    state.withLock { state in
      state.leaseWatch = (request, state.leasesEver)
      return state.leases
    }
  }

  func stopWatching() { state.withLock { $0.leaseWatch = nil } }

  // MARK: Filling

  /// From now on fetched bytes may be written to the chunk file, of frames that are the log's at that moment; until
  /// ``endFill()``. Waits while bytes are discarded. A thread that fills must neither evict nor wait for the remote.
  func beginFill() {
    state.wait { state -> Void? in
      if state.isEvicting { return nil }
      state.fills += 1
      return ()
    }
  }

  func endFill() { state.change { $0.fills -= 1 } }

  /// Waits until nobody writes fetched bytes of frames that were the log's.
  func waitForFills() { state.wait { $0.fills == 0 ? () : nil } }

  /// Whether the frame is the log's, as it is here.
  func holds(_ frame: Frame) -> Bool { state.withLock { $0.extents.contains { $0.index(of: frame) != nil } } }

  /// Whether the frame is the log's, and that object the one to read it from. After a merger it is another.
  func holds(_ frame: Frame, in object: StoredObject) -> Bool {
    state.withLock { $0.extents.contains { $0.index(of: frame) != nil && $0.record.object?.key == object.key } }
  }

  // MARK: Truncation

  /// Lets go of the extents below `head`; `kept` is what the manifest has of the one that the head lies in.
  func trim(below head: LSN, keeping kept: AofChunkRecord?) {
    state.withLock { state in
      state.extents.removeAll { $0.record.range.upperBound <= head }
      state.replaceExtent(endingAt: kept?.range.upperBound, by: kept) { old, new in
        let skipped = old.record.frames.count - new.record.frames.count
        for index in new.record.frames.indices { new.takeState(at: index, from: old, at: index + skipped) }
        for index in new.record.frames.indices where new.frame(at: index).range.upperBound <= head {
          new.resident[index] = false
          new.verified[index] = false
        }
      }
    }
  }

  /// Lets go of what lies past `lsn`; `kept` is what the manifest has of the extent that was split there. All of that
  /// is on the local disk, and its last frame was just read.
  func cut(at lsn: LSN, keeping kept: AofChunkRecord?) {
    state.withLock { state in
      let split = state.extents.first { $0.record.range.contains(lsn) }
      state.extents.removeAll { $0.record.range.upperBound > lsn }
      guard let split, let kept else { return }
      var new = Extent(record: kept, verified: false)
      let skipped = split.record.frame(holding: kept.range.lowerBound).index
      for index in kept.frames.indices { new.verified[index] = split.verified[index + skipped] }
      if let last = kept.frames.indices.last, kept.frames[last] != split.record.frames[last + skipped] {
        new.verified[last] = true
      }
      state.extents.append(new)
    }
  }
}

extension SealedChunk.State {
  /// Puts `record` in the place of the extent that ends at `end`; `transfer` takes over what is known of its frames.
  fileprivate mutating func replaceExtent(
    endingAt end: LSN?, by record: AofChunkRecord?,
    _ transfer: (SealedChunk.Extent, inout SealedChunk.Extent) -> Void
  ) {
    guard let record, let index = extents.firstIndex(where: { $0.record.range.upperBound == end }) else { return }
    var new = SealedChunk.Extent(record: record, verified: false)
    transfer(extents[index], &new)
    extents[index] = new
  }
}

extension SealedChunk.Extent {
  fileprivate mutating func takeState(at index: Int, from old: SealedChunk.Extent, at oldIndex: Int) {
    resident[index] = old.resident[oldIndex]
    verified[index] = old.verified[oldIndex]
  }

  /// Which of the extent's frames it is, nil if none: since it was looked up the extent may have been merged, or cut.
  func index(of frame: SealedChunk.Frame) -> Int? {
    guard record.range.contains(frame.range.lowerBound), frame.range.upperBound <= record.range.upperBound,
      let index = frameIndices(in: frame.range).first
    else { return nil }
    let own = self.frame(at: index)
    return own.range == frame.range && own.checksum == frame.checksum ? index : nil
  }
}
