import AOFCore
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// The chunk files are measured beside the store's use.
@Suite struct FirstLookTests {
  private static let chunk = 128 << 10
  private let store = TestStore(inMemory: true)

  /// A store may have millions of chunk files, each of which is opened to be measured.
  @Test func nothingWaitsForTheFirstLook() throws {
    let disk = FaultyDisk()
    store.environment = disk.environment
    let log = try store.log()
    for _ in 0..<20 { try log.append([UInt8](repeating: 7, count: Self.chunk)) }
    try log.checkpoint()
    try store.close()
    store.waitsAfterOpening = false
    let opened = Lock<AofManager?>(nil)
    let looks = Monitor(0)
    let directory = "/" + String(repeating: "0", count: 15) + String(log.id.rawValue, radix: 16) + "/"
    disk.before { operation throws(AofError) in
      guard operation.kind == .open, operation.path.contains(directory) else { return }
      looks.change { $0 += 1 }
      while opened.withLock({ $0?.state.withLock { $0.isClosing } }) != true { usleep(1000) }
    }
    let manager = try store.manager()
    opened.withLock { $0 = manager }
    defer { opened.withLock { $0 = nil } }
    looks.wait { $0 > 0 ? () : nil }
    let isDone = Monitor(false)
    manager.services.maintenance.add { isDone.change { $0 = true } }
    #expect(isDone.wait(atMost: 10_000) { $0 ? true : nil } == true, "the maintenance waits for the first look")
    try store.close()
    #expect(looks.withLock { $0 } == 1, "it ends soon")
    disk.before(nil)
    _ = try store.manager()
    store.waitForMaintenance()
    #expect(try store.manager().services.cache.total >= 20 * Self.chunk)
  }
}
