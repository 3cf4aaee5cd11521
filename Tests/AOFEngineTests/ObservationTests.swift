import AOFCore
import AOFRemote
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// What a store tells about itself.
@Suite struct ObservationTests {
  private func names(_ store: TestStore) throws -> [String] {
    try store.manager().observation.events(from: 0, limit: .max).events.map { observed in
      switch observed.event {
      case .seal: "seal"
      case .checkpoint(let checkpoint): checkpoint.failure == nil ? "checkpoint" : "failed checkpoint"
      case .merger: "merger"
      case .tidying: "tidying"
      case .hydration(_, _, _, let failure): failure == nil ? "hydration" : "failed hydration"
      case .eviction: "eviction"
      case .trim: "trim"
      case .truncation: "truncation"
      case .discard: "discard"
      case .restore: "restore"
      case .purge: "purge"
      case .incident(let kind, _, _): "incident \(kind)"
      case .mount: "mount"
      case .unmount: "unmount"
      }
    }
  }

  @Test func eachThingIsToldOnceInItsOrder() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([UInt8](repeating: 7, count: 100_000))
    try log.checkpoint()
    try log.evict()
    #expect(try log.bytes(at: 0, count: 10) == [UInt8](repeating: 7, count: 10))
    try log.truncate(TruncationRequest(.head, at: 8192))
    try log.truncate(TruncationRequest(.tail, at: 9000))
    #expect(
      try names(store) == ["seal", "checkpoint", "eviction", "hydration", "trim", "truncation"])
    let totals = try store.manager().observation.totals
    #expect(totals.seals.count == 1 && totals.checkpoints.count == 1 && totals.uploadedObjects == 1)
    #expect(totals.hydratedBytes == 100_000 && totals.evictedBytes == 100_000 && totals.hydrations.count == 1)
    #expect(totals.trims == 1 && totals.truncations == 1 && totals.errors.isEmpty)
    #expect(totals.lastCheckpoint != nil)
  }

  @Test func failuresAreToldWithTheirKind() throws {
    let store = TestStore()
    let remote = FaultyRemote(try DirectoryStore(path: store.directory.path + "/bucket", create: true))
    store.remote = remote
    let log = try store.log()
    try log.append([1, 2, 3])
    remote.state.withLock { $0.putFault = AofError(.remoteFailure, "away") }
    #expect(throws: AofError.self) { try log.checkpoint() }
    #expect(try names(store) == ["seal", "failed checkpoint"])
    let measures = try store.manager().measure()
    #expect(measures.totals.errors == [.remote: 1] && measures.totals.failedCheckpoints == 1)
    #expect(measures.unpublishedBytes == 3 && measures.oldestUnpublished != nil)
  }

  @Test func aSlowReaderIsToldWhatItMissed() throws {
    let store = TestStore()
    let observation = try store.manager().observation
    let kept = UInt64(Observation.keptEvents)
    for number in 0..<kept + 10 { observation.report(.mount("\(number)")) }
    let (missed, events) = observation.events(from: 3, limit: 2)
    #expect(missed == 7 && events.map(\.number) == [10, 11])
    #expect(observation.firstEvent == 10)
    #expect(observation.hasEvent(from: kept + 9) && !observation.hasEvent(from: kept + 10))
    #expect(observation.events(from: kept + 10, limit: 5).events.isEmpty)
    let all = observation.events(from: 0, limit: .max).events
    #expect(all.count == Observation.keptEvents && all.map(\.number) == Array(10..<kept + 10))
  }

  @Test func appendsAndSyncsAreCounted() throws {
    let store = TestStore()
    let log = try store.log()
    for _ in 0..<5 { try log.append([1, 2, 3]) }
    _ = try log.appendBatch([[1], [2]])
    try log.append([UInt8](repeating: 0, count: 70_000))
    var measures = try store.manager().measure()
    #expect(measures.wal.appends == 8 && measures.wal.appendedBytes == 70_017 && measures.wal.syncs == 0)
    #expect(measures.unsyncedBytes == 70_017 && measures.unpublishedBytes == 70_017)
    try log.sync()
    try log.sync()
    measures = try store.manager().measure()
    #expect(measures.wal.syncs == 1 && measures.wal.flushes.count == 1, "a sync with nothing to do is none")
    #expect(measures.unsyncedBytes == 0 && measures.writableLogs == 1 && measures.readOnlyLogs == 0)
    try log.checkpoint()
    measures = try store.manager().measure()
    #expect(measures.unpublishedBytes == 0 && measures.oldestUnpublished == nil)
    #expect(measures.cacheBytes >= 70_017)
  }

  @Test func aLogThatNobodyHasUsedSinceTheOpeningIsMeasuredToo() throws {
    let store = TestStore()
    try store.log().append([1, 2, 3])
    try store.close()
    let measures = try store.manager().measure()
    #expect(measures.unpublishedBytes == 3 && measures.writableLogs == 1)
    let oldest = try #require(measures.oldestUnpublished)
    #expect(abs(oldest.seconds - SystemClock().now().seconds) < 3600)
  }

  @Test func readsOfTheCacheAreHitsAndOthersMisses() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([UInt8](repeating: 7, count: 1000))
    _ = try log.bytes(at: 0, count: 10)
    #expect(try store.manager().measure().readHits == 0, "the tail is no cache")
    try log.checkpoint()
    _ = try log.bytes(at: 0, count: 10)
    try log.evict()
    _ = try log.bytes(at: 0, count: 10)
    let measures = try store.manager().measure()
    #expect(measures.readHits == 2 && measures.readMisses == 1)
  }

  // MARK: Waiting for watermarks

  @Test func aWaitEndsWhenTheMarkIsThereAndNotBefore() throws {
    let store = TestStore()
    let log = try store.log()
    let ended = Monitor<[String]>([])
    func wait(_ mark: AwaitedMark, _ lsn: LSN) -> MarkWait {
      log.whenReached(mark, lsn) { result in
        ended.change { $0.append("\(mark) \(lsn)" + ((try? result.get()) == nil ? " failed" : "")) }
      }
    }
    _ = wait(.durable, 0)
    #expect(ended.withLock { $0 } == ["durable 0"])
    _ = wait(.durable, 3)
    _ = wait(.remote, 3)
    let givenUp = wait(.remote, 4)
    try log.append([1, 2, 3])
    #expect(ended.withLock { $0.count } == 1)
    // Another log's flush makes these bytes durable too, as one WAL serves both.
    let other = try store.log("other")
    try other.append([1])
    try other.sync()
    #expect(ended.withLock { $0 } == ["durable 0", "durable 3"])
    try log.checkpoint()
    #expect(ended.withLock { $0.last } == "remote 3")
    #expect(givenUp.cancel() && !givenUp.cancel())
    _ = wait(.remote, 99)
    try store.close()
    #expect(ended.withLock { $0.last } == "remote 99 failed", "nobody waits for a store that is closed")
  }
}
