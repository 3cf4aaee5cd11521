import AOFCore
import AOFEngine
import AOFManifest
import Foundation
import Testing

@Suite struct SealTests {
  @Test func sealingMovesTheMarkAndNothingElse() throws {
    let store = TestStore()
    let log = try store.log()
    #expect(try log.sealTail() == nil)
    try log.append([1, 2, 3])
    #expect(try log.sealTail() == 0..<3)
    #expect(try log.sealTail() == nil)
    try log.append([4])
    #expect(try log.sealTail() == 3..<4)
    #expect(try log.contents() == [1, 2, 3, 4])
    #expect(log.watermarks == Watermarks(head: 0, remote: 0, sealed: 4, durable: 4, tail: 4))
    #expect(try log.extents().map(\.range) == [0..<3, 3..<4])
    #expect(try log.extents().map(\.chunk) == [ChunkID(rawValue: 0), ChunkID(rawValue: 0)])
  }

  @Test func extentsEndAtChunkBoundaries() throws {
    let store = TestStore()
    let log = try store.log()
    var noise = Noise(seed: 5)
    let bytes = noise.bytes(400_000)
    try log.append(bytes)
    // Full chunks may have been sealed in the background already; together they are one dense run.
    _ = try log.sealTail()
    let extents = try log.extents()
    #expect(extents.map(\.range) == [0..<131_072, 131_072..<262_144, 262_144..<393_216, 393_216..<400_000])
    #expect(try log.contents() == bytes)
    try store.close()
    #expect(try store.log().contents() == bytes)
  }

  @Test func appendsGoOnWhileTheTailIsSealed() throws {
    let store = TestStore()
    let log = try store.log()
    let total = 3000
    let writer = Thread { for number in 0..<total { _ = try? log.append([UInt8](repeating: UInt8(number & 0xFF), count: 150)) } }
    writer.start()
    while log.tailLSN < LSN(rawValue: UInt64(total * 150)) { try log.sealTail() }
    try log.sealTail()
    let bytes = try log.contents()
    #expect(bytes.count == total * 150)
    for number in 0..<total { #expect(bytes[number * 150] == UInt8(number & 0xFF)) }
    let extents = try log.extents()
    #expect(zip(extents, extents.dropFirst()).allSatisfy { $0.range.upperBound == $1.range.lowerBound })
    #expect(try log.verify().problems.isEmpty)
    try store.close()
    #expect(try store.log().contents() == bytes)
  }

  @Test func damageOfASealedFrameIsNeverServed() throws {
    let store = TestStore()
    let log = try store.log()
    var noise = Noise(seed: 6)
    let bytes = noise.bytes(300_000)
    try log.append(bytes)
    try log.sealTail()
    let id = log.id
    try store.close()
    let name = String(format: "chunks/%016lx/%016lx.chunk", id.rawValue, 1)
    try store.file(name).overwrite(at: 1000, with: [bytes[132_072] ^ 1])
    let reopened = try store.log()
    let error = #expect(throws: AofError.self) { try reopened.bytes(at: 140_000, count: 10) }
    #expect(error?.code == .corrupt)
    #expect(error?.errno == EIO)
    #expect(try reopened.bytes(at: 0, count: 131_072) == Array(bytes[..<131_072]))
    #expect(try reopened.bytes(at: 262_144, count: 100) == Array(bytes[262_144..<262_244]))
    let report = try reopened.verify()
    #expect(report.problems.count == 1)
    #expect(report.problems.first?.contains("chunk 1") == true)
    #expect(try store.manager().incidents.contains { $0.message.contains("does not match") })
    // Damage is not spread to the remote either.
    #expect(#expect(throws: AofError.self) { try reopened.checkpoint() }?.code == .corrupt)
  }
}
