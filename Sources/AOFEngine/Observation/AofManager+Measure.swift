import AOFCore
import AOFManifest
import AOFSystem

/// A store, measured at one moment.
package struct StoreMeasures: Sendable {
  package var totals: EngineTotals
  package var wal = WalCounts()
  /// Why WALs take nothing any more, each with its directory in the message.
  package var walFailures: [AofError] = []
  /// WAL segments that still protect bytes.
  package var walSegments = 0
  package var writableLogs = 0
  package var readOnlyLogs = 0
  /// Bytes that the remote does not hold.
  package var unpublishedBytes: UInt64 = 0
  /// When the oldest of them was appended, as far as it is known: those from before the store was opened count as
  /// appended when the last of them was.
  package var oldestUnpublished: UnixTime?
  /// Bytes that a power cut may take.
  package var unsyncedBytes: UInt64 = 0
  /// What the chunk files of all logs take on the local disk: what the quota is of.
  package var cacheBytes: UInt64
  package var cacheLimit: UInt64
  package var readHits: UInt64
  package var readMisses: UInt64
  /// Bytes of log that were fetched before anybody asked for them; those that were read then, and those that were not and
  /// are here no more.
  package var ahead: (fetched: UInt64, used: UInt64, wasted: UInt64) = (0, 0, 0)
  /// What bytes from the remote take of the memory, the most that they ever took, and what they may.
  package var memory: (used: Int, peak: Int, budget: Int) = (0, 0, 0)
}

extension AofManager {
  /// What happened since the store was opened.
  package var observation: Observation { services.observation }

  /// Why WALs of the store take nothing any more.
  package var walFailures: [AofError] { state.withLock { $0.walsInOrder }.compactMap(\.failure) }

  /// Measures the store.
  package func measure() -> StoreMeasures {
    var measures = StoreMeasures(
      totals: observation.totals, cacheBytes: UInt64(services.cache.total), cacheLimit: settings.cacheSize.rawValue,
      readHits: services.reads.hits.load(ordering: .relaxed), readMisses: services.reads.misses.load(ordering: .relaxed))
    let ahead = services.hydrator.ahead
    measures.ahead = (
      ahead.fetched.load(ordering: .relaxed), ahead.used.load(ordering: .relaxed), ahead.wasted.load(ordering: .relaxed)
    )
    measures.memory = services.hydrator.memory
    let (wals, open, descriptors) = state.withLock { ($0.walsInOrder, $0.open, $0.descriptors) }
    for wal in wals {
      let (counts, segments) = wal.state.withLock { ($0.counts, $0.segments.count) }
      measures.wal.add(counts)
      measures.walSegments += segments
      if let failure = wal.failure { measures.walFailures.append(failure) }
    }
    for id in logIDs() {
      if let log = open[id] { measures.add(log) } else if let record = descriptors[id] { add(record, to: &measures) }
    }
    return measures
  }

  /// A log that nobody has used since the store was opened.
  private func add(_ record: AofDescriptorRecord, to measures: inout StoreMeasures) {
    measures.count(isWritable: record.failure == nil)
    guard record.remote < record.applied else { return }
    measures.addUnpublished(record.applied - record.remote, since: nameSpace.node(record.id)?.attributes.modificationTime)
  }
}

extension StoreMeasures {
  fileprivate mutating func add(_ log: Aof) {
    let marks = log.watermarks
    count(isWritable: log.failure == nil)
    unsyncedBytes += marks.tail.rawValue - min(marks.durable.rawValue, marks.tail.rawValue)
    guard marks.remote < marks.tail else { return }
    addUnpublished(marks.tail - marks.remote, since: log.oldestUnpublished)
  }

  fileprivate mutating func count(isWritable: Bool) {
    if isWritable { writableLogs += 1 } else { readOnlyLogs += 1 }
  }

  fileprivate mutating func addUnpublished(_ bytes: Int, since time: UnixTime?) {
    unpublishedBytes += UInt64(bytes)
    guard let time else { return }
    oldestUnpublished = min(oldestUnpublished ?? time, time)
  }
}
