import AOFCore
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
}
