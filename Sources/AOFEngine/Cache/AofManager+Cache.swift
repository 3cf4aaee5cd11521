import AOFCore
import AOFManifest
import AOFSystem

/// Keeping the chunk files within the quota: what the remote holds and is not read again leaves the local disk.
extension AofManager {
  /// Measures what the chunk files take, and from then on evicts in the background whenever the quota becomes tight.
  func startCache() {
    recallCacheOrder()
    services.cache.whenTight { [weak self] in self?.queueEviction() }
    services.evictor.use { [weak self] target throws(AofError) in try self?.evictLeastUsed(downTo: target) ?? false }
    startMeasuring()
  }

  /// On a thread of its own, which ends with that: seals must not wait until millions of files were opened.
  private func startMeasuring() {
    // Better late than never.
    let queue = (try? services.environment.makeQueue(.measuring)) ?? services.maintenance
    if queue !== services.maintenance { state.withLock { $0.measuring = queue } }
    queue.add { [self] in
      for id in state.withLock({ $0.descriptors.keys.sorted() }) {
        services.localChunks.measure(id) { state.withLock { $0.isClosing } }
      }
      queueEviction()
      state.withLock { $0.measuring = nil }
    }
  }

  /// Evicts in the background until the quota is not tight.
  func queueEviction() {
    services.maintenance.add { [self] in
      do throws(AofError) {
        try services.evictor.makeRoom(downTo: services.cache.relaxedMark)
      } catch {
        services.observation.report(.other, "the cache could not be brought below its quota: \(error)")
      }
    }
  }

  /// The evictor's work, of one thread at a time. False if there is not enough that may go.
  private func evictLeastUsed(downTo target: Int) throws(AofError) -> Bool {
    try restoreCacheOrder()
    let (order, cache) = (services.cacheOrder, services.cache)
    var failure: AofError?
    // What is in use now is put back at the end, so that each group is looked at a bounded number of times.
    var kept: [(group: CacheGroup, bytes: Int)] = []
    defer { order.withLock { order in for (group, bytes) in kept { order.keep(group, bytes) } } }
    while cache.total > target {
      var victims: [LogID: [CacheOrder.Victim]] = [:]
      order.withLock { order in
        var missing = Int64(cache.total - target)
        while missing > 0, let victim = order.next(limit: cache.limit) {
          victims[victim.group.log, default: []].append(victim)
          missing -= Int64(CacheGroup.size)
        }
      }
      guard !victims.isEmpty else {
        // What takes the room is what nobody knows of, if anything.
        if try discardStrays() { continue }
        if let failure { throw failure }
        return false
      }
      for (id, victims) in victims.sorted(by: { $0.key < $1.key }) {
        do throws(AofError) {
          kept += try log(id).evict(victims, keepingLast: residentTail)
        } catch where error.code == .purged || error.code == .notFound {
          // Nothing of it is here any more.
        } catch {
          // What one log cannot give up is tried again, and others are not to suffer.
          kept += victims.map { ($0.group, Int(CacheGroup.size)) }
          failure = failure ?? error
        }
      }
    }
    return true
  }

  /// Frees what processes that were killed had fetched and not written down, once. False if that was done before.
  private func discardStrays() throws(AofError) -> Bool {
    guard !services.evictor.hasDiscardedStrays.withLock({ $0 }) else { return false }
    for id in state.withLock({ $0.descriptors.keys.sorted() }) {
      do throws(AofError) {
        let log = try log(id)
        try log.underMaintenance { () throws(AofError) in try log.discardStrays() }
      } catch where error.code == .purged || error.code == .notFound {
        // It has no files any more.
      }
    }
    services.evictor.hasDiscardedStrays.withLock { $0 = true }
    return true
  }

  /// Learns what lies on the disk since before the store was opened, once: what was sealed first may go first, unless more is
  /// known of it.
  private func restoreCacheOrder() throws(AofError) {
    guard !services.evictor.hasOrder.withLock({ $0 }) else { return }
    var found: [(group: CacheGroup, bytes: Int, sealedAt: UnixTime)] = []
    for extent in try services.manifest.evictableExtents() {
      guard let chunkSize = state.withLock({ $0.descriptors[extent.log]?.chunkSize }) else { continue }
      for range in extent.resident {
        for (group, bytes) in CacheGroup.covering(range, of: extent.log, chunkSize) {
          found.append((group, bytes, extent.sealedAt))
        }
      }
    }
    found.sort { ($0.sealedAt, $0.group.log, $0.group.number) < ($1.sealedAt, $1.group.log, $1.group.number) }
    services.cacheOrder.withLock { $0.restore(found.map { ($0.group, $0.bytes) }) }
    services.evictor.hasOrder.withLock { $0 = true }
  }
}

extension Aof {
  /// Frees the local copies of groups of frames, but for the last `bytes` of the log and what readers hold.
  /// - Returns: the groups that stay although they were to go, with their bytes.
  fileprivate func evict(
    _ victims: [CacheOrder.Victim], keepingLast bytes: Int
  ) throws(AofError) -> [(group: CacheGroup, bytes: Int)] {
    try underMaintenance { () throws(AofError) in
      var selections: [ChunkID: [SealedChunk.Selection]] = [:]
      for victim in victims {
        let range = victim.group.range(chunkSize)
        selections[chunkID(for: range.lowerBound), default: []].append(
          SealedChunk.Selection(range: range, spared: victim.spared))
      }
      var requests: [(SealedChunk, [SealedChunk.Selection]?)] = []
      for (chunk, selection) in selections.sorted(by: { $0.key < $1.key }) {
        requests.append((try chunks.chunk(chunk), selection))
      }
      _ = try evict(requests, keepingLast: bytes)
      var kept: [(group: CacheGroup, bytes: Int)] = []
      for victim in victims {
        let range = victim.group.range(chunkSize)
        let left = try chunks.chunk(chunkID(for: range.lowerBound)).residentBytes(in: range)
        if victim.spared != 0 { services.cacheOrder.withLock { $0.resize(victim.group, to: left) } }
        if left > 0, victim.spared == 0 { kept.append((victim.group, left)) }
      }
      return kept
    }
  }

  /// Bytes of `range` are on the disk and in the remote now, and may leave the disk.
  func joinCache(_ range: Range<LSN>) {
    services.cacheOrder.withLock { order in
      for (group, bytes) in CacheGroup.covering(range, of: id, chunkSize) { order.add(group, bytes) }
    }
    services.evictor.foundMore()
  }

  /// The log forgot all that these groups held.
  func leaveCache(_ groups: Range<UInt64>) { services.cacheOrder.withLock { $0.forget(id, groups) } }

  /// Makes room for an append where the quota leaves none. - Throws: `quotaExceeded`; local failures.
  func makeRoomForAppend() throws(AofError) {
    let cache = services.cache
    guard cache.isFull else { return }
    var failure: AofError?
    do throws(AofError) { try services.evictor.makeRoom(downTo: cache.relaxedMark) } catch { failure = error }
    guard cache.isFull else { return }
    let limit = ByteCount(rawValue: UInt64(cache.limit))
    if let failure {
      throw AofError(.quotaExceeded, "the cache quota of \(limit) is full, and not all that could leave it does", cause: failure)
    }
    throw AofError(
      .quotaExceeded, "the cache quota of \(limit) is full of what the remote does not hold yet",
      remedy: "bring the remote back, or mount with a larger cache size; appends go on when there is room")
  }

  /// Makes room for bytes that come back from the remote, as far as anything may go for them.
  /// - Throws: `noSpace` on a full disk, whose last space is not for copies; local failures.
  func makeRoomForCopies(_ byteCount: Int) throws(AofError) {
    try services.reserve.admitGrowth()
    if let target = services.cache.target(for: byteCount) { try services.evictor.makeRoom(downTo: target) }
  }
}
