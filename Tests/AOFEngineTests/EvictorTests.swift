import AOFCore
import AOFRemote
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// Who finds nothing to evict has looked at all that is cached, which is not done again without a reason.
@Suite struct EvictorTests {
  private let clock = HandClock()
  private let runs = Lock(0)

  private func evictor(_ run: @escaping @Sendable () throws(AofError) -> Bool) -> Evictor {
    let evictor = Evictor(clock: clock)
    let runs = runs
    evictor.use { _ throws(AofError) in
      runs.withLock { $0 += 1 }
      return try run()
    }
    return evictor
  }

  @Test func nothingIsLookedForAgainUntilThereMayBeMore() throws {
    let evictor = evictor { false }
    for _ in 0..<100 { try evictor.makeRoom(downTo: 1) }
    #expect(runs.withLock { $0 } == 1)
    evictor.foundMore()
    for _ in 0..<100 { try evictor.makeRoom(downTo: 1) }
    #expect(runs.withLock { $0 } == 2)
    clock.milliseconds.withLock { $0 += Evictor.pause - 1 }
    for _ in 0..<100 { try evictor.makeRoom(downTo: 1) }
    #expect(runs.withLock { $0 } == 2)
    clock.milliseconds.withLock { $0 += 1 }
    for _ in 0..<100 { try evictor.makeRoom(downTo: 1) }
    #expect(runs.withLock { $0 } == 3)
  }

  @Test func whatFailedFailsAgainWithoutATry() throws {
    let evictor = evictor { () throws(AofError) in throw AofError(.corrupt, "damaged") }
    for _ in 0..<100 { #expect(throws: AofError.self) { try evictor.makeRoom(downTo: 1) } }
    #expect(runs.withLock { $0 } == 1)
  }

  @Test func whatSucceedsIsDoneEachTime() throws {
    let evictor = evictor { true }
    for _ in 0..<100 { try evictor.makeRoom(downTo: 1) }
    #expect(runs.withLock { $0 } == 100)
  }

  @Test func whatComesDuringARunIsLookedForAfterIt() throws {
    let evictor = Evictor(clock: clock)
    let runs = runs
    evictor.use { [weak evictor] _ in
      evictor?.foundMore()
      return runs.withLock { count in
        count += 1
        return false
      }
    }
    for _ in 0..<3 { try evictor.makeRoom(downTo: 1) }
    #expect(runs.withLock { $0 } == 3)
  }

  /// A remote that is away for hours, below a store that is full.
  @Test func aRefusedAppendCostsNoLookAtAllThatIsCached() throws {
    let store = TestStore(inMemory: true)
    store.options.cacheSize = .mebibytes(2)
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    let remote = FaultyRemote(try DirectoryStore(path: store.directory.path + "/remote", create: true))
    store.remote = remote
    store.environment = Environment(disk: SystemDisk(), clock: clock, random: { .random(in: .min ... .max) })
    let log = try store.log()
    remote.state.withLock { $0.putFault = AofError(.remoteFailure, "away") }
    let bytes = [UInt8](repeating: 7, count: 128 << 10)
    var isRefused = false
    for _ in 0..<40 where !isRefused {
      do {
        try log.append(bytes)
        try log.sealTail()
      } catch { isRefused = true }
    }
    #expect(isRefused)
    store.waitForMaintenance()
    let runs = runs
    let evictor = try store.manager().services.evictor
    evictor.foundMore()
    evictor.use { _ in
      runs.withLock { $0 += 1 }
      return false
    }
    for _ in 0..<100 { #expect(#expect(throws: AofError.self) { try log.append([1]) }?.code == .quotaExceeded) }
    #expect(runs.withLock { $0 } == 1)
    // What the remote holds may go.
    remote.state.withLock { $0.putFault = nil }
    try log.checkpoint()
    #expect(throws: AofError.self) { try log.append([1]) }
    #expect(runs.withLock { $0 } > 1)
  }
}

/// A clock that stands still unless it is moved.
private final class HandClock: WaitingClock {
  let milliseconds = Lock(0)

  func now() -> UnixTime { SystemClock().now() }
  func uptime() -> Int { milliseconds.withLock { $0 } }
  func wait(milliseconds: Int, unless isOver: Monitor<Bool>) { SystemClock().wait(milliseconds: milliseconds, unless: isOver) }
}
