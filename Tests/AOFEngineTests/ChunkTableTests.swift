import AOFCore
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// A log may have more chunks than memory should hold.
@Suite struct ChunkTableTests {
  private let store = TestStore(inMemory: true)
  private var noise = Noise(seed: 5)

  @Test mutating func chunksThatNobodyUsesLeaveTheMemory() throws {
    let count = 2 * ChunkTable.kept + 40
    let log = try store.log()
    let bytes = noise.bytes(128 << 10)
    for _ in 0..<count { try log.append(bytes) }
    try log.checkpoint()
    store.waitForMaintenance()
    try log.evict()
    store.waitForMaintenance()
    var held = try log.openCursor()
    var first = [UInt8](repeating: 0, count: 10)
    _ = try first.withUnsafeMutableBytes { try held.read(into: $0) }
    let whole = try log.contents()
    #expect(whole.count == count * bytes.count)
    #expect(stride(from: 0, to: whole.count, by: bytes.count).allSatisfy { whole[$0..<($0 + bytes.count)].elementsEqual(bytes) })
    store.waitForDownloads()
    store.waitForMaintenance()
    #expect(log.chunks.loaded.count < 2 * ChunkTable.kept)
    // What a reader holds stays the chunk that others meet.
    #expect(log.chunks.loaded.contains { $0.id == ChunkID(rawValue: 0) && $0.isLeased })
    // What came back is known to be here, whichever chunks left the memory.
    #expect(try log.coldBytes(in: nil) == 0)
    _ = consume held
    try store.close()
    #expect(try store.log().coldBytes(in: nil) == 0)
    #expect(try store.log().verify().problems.isEmpty)
  }

  /// Who evicts a whole log keeps out who would let go of its chunks meanwhile.
  @Test func anEvictionHoldsFewChunksAtATime() throws {
    let log = try store.log()
    let bytes = [UInt8](repeating: 7, count: 128 << 10)
    for _ in 0..<(2 * ChunkTable.kept + 40) { try log.append(bytes) }
    try log.checkpoint()
    try store.close()
    let again = try store.log()
    #expect(again.chunks.loaded.isEmpty)
    let timesCrowded = Lock(0)
    again.chunks.whenCrowded.set { timesCrowded.withLock { $0 += 1 } }
    try again.evict()
    #expect(timesCrowded.withLock { $0 } == 0)
    #expect(again.chunks.loaded.count <= ChunkTable.kept)
    #expect(try again.extents().allSatisfy { $0.residency == .evicted })
    again.chunks.unload(downTo: 0)
    #expect(try again.extents().allSatisfy { $0.residency == .evicted }, "the manifest knows, too")
  }
}
