import AOFCore
import AOFEngine
import Foundation
import Testing

@Suite struct AppendTests {
  @Test func appendsAreDenseAndReadBack() throws {
    let store = TestStore()
    let log = try store.log()
    var noise = Noise(seed: 1)
    var model: [UInt8] = []
    for size in [1, 127, 128, 16 << 10, 63 << 10, 64 << 10, (64 << 10) + 1, 300_000, 1 << 20, 3] {
      let bytes = noise.bytes(size)
      #expect(try log.append(bytes) == LSN(rawValue: UInt64(model.count)))
      model += bytes
    }
    #expect(log.tailLSN.rawValue == UInt64(model.count))
    #expect(try log.contents() == model)
  }

  @Test func whatWasCalledDurableStaysSo() throws {
    let store = TestStore()
    let (one, two) = (try store.log("one"), try store.log("two"))
    try one.append([1, 2, 3])
    try two.append([4])
    // A flush for one log covers the other, whose next frame lies past it again.
    try two.sync()
    #expect(one.durableLSN == 3)
    try one.append([5])
    #expect(one.durableLSN == 3)
  }

  @Test func nothingIsAppendedByNoBytes() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([1, 2, 3])
    #expect(try log.append([]) == 3)
    #expect(log.tailLSN == 3)
  }

  @Test func anAppendElsewhereThanTheTailIsRefused() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([1, 2, 3])
    let error = #expect(throws: AofError.self) {
      try [UInt8](repeating: 9, count: 4).withUnsafeBytes { try log.append($0, at: 2) }
    }
    #expect(error?.code == .notAtTail)
    try [UInt8](repeating: 9, count: 4).withUnsafeBytes { try log.append($0, at: 3) }
    #expect(try log.contents() == [1, 2, 3, 9, 9, 9, 9])
  }

  @Test func anAppendThatIsTooLargeLeavesNothing() throws {
    let store = TestStore()
    let log = try store.log()
    let error = #expect(throws: AofError.self) {
      try log.append([UInt8](repeating: 1, count: Limits.maximumAppend + 1))
    }
    #expect(error?.code == .tooLarge)
    #expect(log.tailLSN == 0)
    let largest = [UInt8](repeating: 7, count: Limits.maximumAppend)
    try log.append(largest)
    #expect(try log.contents(bufferSize: 1 << 20) == largest)
  }

  @Test func aBatchLandsRecordByRecord() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([0])
    let lsns = try log.appendBatch([[1, 1], [], [2, 2, 2], [3]])
    #expect(lsns == [1, 3, 3, 6])
    #expect(try log.contents() == [0, 1, 1, 2, 2, 2, 3])
    let tooMany = [[UInt8]](repeating: [1], count: 257)
    #expect(throws: AofError.self) { try log.appendBatch(tooMany) }
    #expect(log.tailLSN == 7)
  }

  /// Records name their writer and number and fill themselves with a byte that follows from both.
  @Test(arguments: [1, 3]) func concurrentWritersNeverInterleave(logCount: Int) throws {
    let store = TestStore()
    let logs = try (0..<logCount).map { try store.log("log\($0)") }
    let writers = 6
    let records = 300
    DispatchQueue.concurrentPerform(iterations: writers) { writer in
      var noise = Noise(seed: UInt64(writer + 1))
      for number in 0..<records {
        let size = number % 50 == 0 ? 70_000 : 16 + noise.below(400)
        var record = [UInt8](repeating: UInt8(truncatingIfNeeded: writer &* 31 &+ number), count: size)
        record[0] = 0xFF
        record[1] = UInt8(writer)
        record[2] = UInt8(number & 0xFF)
        record[3] = UInt8(number >> 8)
        withUnsafeBytes(of: UInt32(size).littleEndian) { record.replaceSubrange(4..<8, with: $0) }
        do {
          try logs[number % logCount].append(record)
          if number % 40 == 0 { try logs[number % logCount].sync() }
        } catch {
          Issue.record(error)
        }
      }
    }
    var next = [Int: [Int]]()
    for log in logs {
      let bytes = try log.contents()
      var offset = 0
      while offset + 8 <= bytes.count {
        let size = (0..<4).reduce(0) { $0 | Int(bytes[offset + 4 + $1]) << ($1 * 8) }
        let (writer, number) = (Int(bytes[offset + 1]), Int(bytes[offset + 2]) | Int(bytes[offset + 3]) << 8)
        try #require(bytes[offset] == 0xFF && offset + size <= bytes.count)
        let fill = UInt8(truncatingIfNeeded: writer &* 31 &+ number)
        #expect(bytes[(offset + 8)..<(offset + size)].allSatisfy { $0 == fill })
        next[writer, default: []].append(number)
        offset += size
      }
      #expect(offset == bytes.count)
    }
    for writer in 0..<writers {
      let numbers = next[writer] ?? []
      #expect(numbers.sorted() == Array(0..<records))
      // In each log, a writer's own records keep their order.
      for log in 0..<logCount { #expect(numbers.filter { $0 % logCount == log }.isSorted) }
    }
  }

  @Test func durableFollowsTheSync() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([1, 2, 3])
    #expect(log.watermarks.durable == 0)
    try log.sync()
    #expect(log.watermarks.durable == 3)
    #expect(log.watermarks.tail == 3)
  }

  @Test func manySegmentsComeAndGo() throws {
    let store = TestStore(chunkSize: try ChunkSize(.mebibytes(4)))
    let log = try store.log()
    let quiet = try store.log("quiet")
    try quiet.append(Array("quiet".utf8))
    var noise = Noise(seed: 3)
    let block = noise.bytes(1 << 20)
    for _ in 0..<150 { try log.append(block) }
    // What was written long ago is released: the quiet log's bytes went to its chunk file meanwhile.
    try store.close()
    #expect(try store.segments().isEmpty)
    #expect(try store.log("quiet").contents() == Array("quiet".utf8))
    let reopened = try store.log()
    #expect(reopened.tailLSN == LSN(rawValue: 150 << 20))
    #expect(try reopened.bytes(at: LSN(rawValue: 77 << 20), count: 1 << 20) == block)
  }

  @Test func aTailSegmentMustStartAtTheTail() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([1, 2, 3])
    let wrong = try log.prepareTailSegment(startingAt: 2)
    #expect(#expect(throws: AofError.self) { try log.setTailSegment(wrong) }?.code == .notAtTail)
    let other = try store.log("other").prepareTailSegment(startingAt: 3)
    #expect(#expect(throws: AofError.self) { try log.setTailSegment(other) }?.code == .invalidArgument)
    let right = try log.prepareTailSegment(startingAt: 3)
    try log.setTailSegment(right)
    try log.append([4])
    #expect(try log.contents() == [1, 2, 3, 4])
    let copy = try store.crashed()
    #expect(try copy.log().contents() == [1, 2, 3, 4])
  }
}

extension Array where Element: Comparable {
  var isSorted: Bool { zip(self, dropFirst()).allSatisfy { $0 <= $1 } }
}
