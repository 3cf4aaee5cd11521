import AOFCore
import AOFFormat
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// A log whose chunk files failed needs its WAL frames for as long as the store is open. They are carried forward, so that
/// the WAL of the others keeps its size.
@Suite struct CarryForwardTests {
  /// Three of its frames fill a segment.
  private static let block = [UInt8](repeating: 5, count: 32 << 10)
  private static let news = Array("what the failed log holds".utf8)

  /// Segments are small, so that there are many soon.
  private func prepare(_ store: TestStore, _ disk: FaultyDisk) {
    store.waitsAfterOpening = false
    store.environment = Environment(
      disk: disk, clock: SystemClock(), random: { UInt64.random(in: .min ... .max) },
      makeQueue: Environment.startThreads(for:), walSegmentSize: 128 << 10)
  }

  /// A log that holds ``news``, synced, twice, and fails when the first segments are to be released.
  private func failingLog(_ store: TestStore, _ disk: FaultyDisk) throws -> Aof {
    let log = try store.log("failing")
    try log.append(Self.news)
    try log.append(Self.news)
    try log.sync()
    disk.fail(.sync, "\(FixedWidthNumber.hex(log.id.rawValue))/", errno: EIO)
    return log
  }

  /// Closes `count` segments, with time for each to be released.
  private func fill(_ count: Int, of log: Aof, _ store: TestStore) throws {
    let last = log.wal.state.withLock { $0.segments.last?.segment.sequence ?? 0 } + UInt64(count)
    while log.wal.state.withLock({ $0.segments.last?.segment.sequence ?? .max }) < last {
      try log.append(Self.block)
      store.waitForMaintenance()
    }
  }

  @Test func aFailedLogDoesNotKeepTheSegmentsOfOthers() throws {
    let (store, disk) = (TestStore(), FaultyDisk())
    prepare(store, disk)
    let (failing, other) = (try failingLog(store, disk), try store.log("other"))
    try fill(40, of: other, store)
    #expect(failing.failure != nil)
    #expect(other.wal.closedSegmentCount <= WriteAheadLog.closedSegmentsBeforeCarrying)
    #expect(#expect(throws: AofError.self) { try failing.append([1]) }?.code == .localFailure)
    #expect(try failing.contents() == Self.news + Self.news)
    let crashed = try store.crashed()
    #expect(try crashed.log("failing").contents() == Self.news + Self.news)
    #expect(try crashed.log("other").tailLSN == other.tailLSN)
    #expect(try crashed.log("failing").append([1]) == LSN(rawValue: UInt64(2 * Self.news.count)))
  }

  /// Carrying what fills most of the WAL would make the WAL no smaller, again and again.
  @Test func whatFillsMostOfTheWalStaysWhereItIs() throws {
    let (store, disk) = (TestStore(), FaultyDisk())
    prepare(store, disk)
    let (failing, other) = (try store.log("failing"), try store.log("other"))
    disk.fail(.sync, "\(FixedWidthNumber.hex(failing.id.rawValue))/", errno: EIO)
    // Both logs have frames in each segment, before the first is released.
    let held = Monitor(true)
    try store.manager().services.maintenance.add { held.wait { $0 ? nil : () } }
    for _ in 0..<24 {
      try failing.append(Self.block)
      try other.append(Self.block)
    }
    let (count, first) = (other.wal.closedSegmentCount, try #require(try store.segments().first))
    held.change { $0 = false }
    store.waitForMaintenance()
    #expect(failing.failure != nil)
    #expect(other.wal.closedSegmentCount == count)
    // The active segment has some of its frames, too.
    try fill(count + 1, of: other, store)
    #expect(other.wal.closedSegmentCount == count * 2 + 1)
    try fill(1, of: other, store)
    #expect(other.wal.closedSegmentCount <= count + 1)
    #expect(!FileManager.default.fileExists(atPath: first.path))
    #expect(try store.crashed().log("failing").tailLSN == failing.tailLSN)
  }

  @Test func aPowerCutMeanwhileLosesNothing() throws {
    // The expectation: how many bytes of the other log are durable.
    try FaultyDisk.cutPowerEverywhere(in: 220, stride: 8, from: 0) { store, durable, isCut in
      guard let disk = store.environment.disk as? FaultyDisk else { return }
      prepare(store, disk)
      let log = try failingLog(store, disk)
      let other = try store.log("other")
      for _ in 0..<14 {
        try fill(1, of: other, store)
        try other.sync()
        guard !isCut.isDone else { return }
        durable = Int(other.tailLSN.rawValue)
      }
      #expect(log.failure != nil)
    } check: { (store, durable: Int, context) throws in
      guard durable > 0 else { return }
      #expect(try store.log("failing").contents() == Self.news + Self.news, context)
      #expect(try store.log("other").tailLSN >= LSN(rawValue: UInt64(durable)), context)
    }
  }
}
