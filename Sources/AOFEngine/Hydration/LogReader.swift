import AOFCore
import AOFSystem

/// One who reads a log, from one read to the next: an open file, or a cursor. What it reads in order is fetched ahead of it.
///
/// When it goes, what was fetched for nobody else is given up.
package final class LogReader: Sendable {
  private let log: Aof
  private let number: UInt64
  private let window = Lock(ReadAheadWindow())
  /// Where the last read ended, with the frames of that group that were read on the way: who goes on in it has not come to read it once more.
  private let place = Lock<(group: CacheGroup, frames: UInt8)?>(nil)

  package init(_ log: Aof) {
    self.log = log
    number = log.services.hydrator.newReader()
  }

  deinit { cancel() }

  /// Says what was read, and begins to fetch what will be. Never waits for the remote.
  /// - Parameter waited: whether the remote had to be waited for.
  package func didRead(_ range: Range<LSN>, waited: Bool) {
    guard !range.isEmpty else { return }
    let services = log.services
    touch(range)
    let (action, size) = window.withLock { window in
      (window.read(range, waited: waited, limit: limit, now: services.environment.clock.now), window.size)
    }
    switch action {
    case .nothing: break
    case .drop: services.hydrator.cancelAhead(of: number)
    case .fetch(let range):
      do throws(AofError) {
        try services.hydrator.prefetch(log, range, for: number, window: size)
      } catch {
        // Whoever reads there is told.
      }
    }
  }

  private var limit: Int {
    // Of what does not fit into the cache, the first frames would be gone before they are read.
    min(log.services.hydrator.aheadShare(of: number), log.services.cache.limit / 8)
  }

  private func touch(_ range: Range<LSN>) {
    let size = log.chunkSize
    let last = CacheGroup.holding(LSN(rawValue: range.upperBound.rawValue - 1), of: log.id, size)
    let end = last.frames(of: range, size)
    let previous = place.withLock { place in
      let previous = place
      place = (last, previous?.group == last ? end | (previous?.frames ?? 0) : end)
      return previous
    }
    let isInPlace = previous?.group == CacheGroup.holding(range.lowerBound, of: log.id, size)
    if isInPlace, previous?.group == last, let frames = previous?.frames, frames | end == frames { return }
    log.services.cacheOrder.withLock { order in
      for (group, _) in CacheGroup.covering(range, of: log.id, size) {
        order.touch(group, group.frames(of: range, size), isVisit: group != previous?.group)
      }
    }
  }

  /// Gives up what was fetched ahead and is not here yet.
  package func cancel() {
    if window.withLock({ $0.size }) > 0 { log.services.hydrator.cancelAhead(of: number) }
  }
}
