import AOFCore
import AOFManifest
import AOFSystem

/// Keeping the chunk files within the quota: what the remote holds and was used least recently leaves the local disk.
extension AofManager {
  /// Measures what the chunk files take, and from then on evicts in the background whenever the quota becomes tight.
  func startCache() {
    services.cache.whenTight { [weak self] in self?.queueEviction() }
    services.evictor.use { [weak self] target throws(AofError) in try self?.evictLeastRecentlyUsed(downTo: target) }
    services.maintenance.add { [self] in
      for id in state.withLock({ $0.descriptors.keys.sorted() }) { _ = services.localChunks.allocatedSize(of: id) }
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

  /// The evictor's work, of one thread at a time.
  private func evictLeastRecentlyUsed(downTo target: Int) throws(AofError) {
    guard services.cache.total > target else { return }
    for candidate in try evictionCandidates() {
      try log(candidate.log).evict(candidate.chunk, keepingLast: residentTail)
      if services.cache.total <= target { return }
    }
  }

  private struct Candidate {
    let log: LogID
    let chunk: ChunkID
    /// 0 for what nobody used since the store was opened.
    let lastUse: UInt64
    let sealedAt: UnixTime
  }

  /// The chunks with bytes that may go, those that were not used for longest first.
  private func evictionCandidates() throws(AofError) -> [Candidate] {
    let open = state.withLock { $0.open }
    var candidates: [Candidate] = []
    for log in open.values {
      for chunk in log.chunks.loaded {
        guard let use = chunk.evictableUse else { continue }
        candidates.append(Candidate(log: log.id, chunk: chunk.id, lastUse: use.last, sealedAt: use.sealedAt))
      }
    }
    for (id, chunk, sealedAt) in try services.manifest.evictableChunks() {
      if open[id]?.chunks.isLoaded(chunk) == true { continue }
      candidates.append(Candidate(log: id, chunk: chunk, lastUse: 0, sealedAt: sealedAt))
    }
    return candidates.sorted { ($0.lastUse, $0.sealedAt) < ($1.lastUse, $1.sealedAt) }
  }
}

/// Evicts for the quota, whoever needs room: a log, which does not know its store, or the store itself.
final class Evictor: Sendable {
  private let isBusy = Monitor(false)
  private let action = Lock<(@Sendable (Int) throws(AofError) -> Void)?>(nil)

  func use(_ action: @escaping @Sendable (Int) throws(AofError) -> Void) { self.action.withLock { $0 = action } }

  /// Evicts the least recently used chunks until the files take no more than `target` bytes, or nothing is left that may
  /// go. One thread at a time does it; the others wait, and need not do it again. Blocks on the local disk.
  func makeRoom(downTo target: Int) throws(AofError) {
    isBusy.wait { isBusy -> Void? in
      if isBusy { return nil }
      isBusy = true
      return ()
    }
    defer { isBusy.change { $0 = false } }
    if let action = action.withLock({ $0 }) { try action(target) }
  }
}

extension Aof {
  /// Frees the local copies of a chunk's frames that the remote holds, but for the last `bytes` of the log.
  func evict(_ chunk: ChunkID, keepingLast bytes: Int) throws(AofError) {
    try underMaintenance { () throws(AofError) in _ = try evict([try chunks.chunk(chunk)], keepingLast: bytes) }
  }

  /// Makes room for an append where the quota leaves none. - Throws: `quotaExceeded`; local failures.
  func makeRoomForAppend() throws(AofError) {
    let cache = services.cache
    guard cache.isFull else { return }
    try services.evictor.makeRoom(downTo: cache.relaxedMark)
    guard cache.isFull else { return }
    throw AofError(
      .quotaExceeded,
      "the cache quota of \(ByteCount(rawValue: UInt64(cache.limit))) is full of what the remote does not hold yet",
      remedy: "bring the remote back, or mount with a larger cache size; appends go on when there is room")
  }

  /// Makes room for bytes that come back from the remote, as far as anything may go for them.
  func makeRoomForCopies(_ byteCount: Int) throws(AofError) {
    if let target = services.cache.target(for: byteCount) { try services.evictor.makeRoom(downTo: target) }
  }
}
