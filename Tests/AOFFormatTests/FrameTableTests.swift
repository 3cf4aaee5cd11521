import AOFCore
import AOFFormat
import Testing

@Suite struct FrameTableTests {
  static let cell = Limits.frameSize

  /// The lengths that the grid gives a run.
  static func lengths(from start: LSN, byteCount: Int) -> [Int] {
    var lengths: [Int] = []
    var position = start
    var rest = byteCount
    while rest > 0 {
      let length = min(rest, cell - Int(position.rawValue % UInt64(cell)))
      lengths.append(length)
      position = position + length
      rest -= length
    }
    return lengths
  }

  static func table(_ lengths: [Int]) -> [FrameRecord] {
    lengths.enumerated().map { index, length in
      FrameRecord(
        length: UInt32(length), checksum: 0xFFFF_FFF0 &+ UInt32(index), time: UnixTime(rawValue: Int64(index) - 2))
    }
  }

  static func decode(_ bytes: [UInt8], _ start: LSN, _ byteCount: Int) -> AofError.Code? {
    code { () throws(AofError) in _ = try FrameTable.decode(bytes, start: start, byteCount: byteCount) }
  }

  @Test(arguments: [
    (0, 0), (0, 1), (0, cell), (0, cell + 1), (5, 1), (5, cell - 5), (5, cell - 4), (UInt64(cell) - 1, 1),
    (UInt64(cell) - 1, 2), (7, 40 * cell), (UInt64(Int64.max) - 10, 10),
  ] as [(UInt64, Int)])
  func roundTrip(_ start: UInt64, _ byteCount: Int) throws {
    let start = LSN(rawValue: start)
    let frames = Self.table(Self.lengths(from: start, byteCount: byteCount))
    #expect(try FrameTable.decode(FrameTable.encode(frames), start: start, byteCount: byteCount) == frames)
  }

  @Test("The offsets of docs/format/manifest.md") func layout() {
    let frame = FrameRecord(length: 0x0001_0203, checksum: 0x1112_1314, time: UnixTime(rawValue: 0x2122_2324_2526_2728))
    #expect(
      FrameTable.encode([frame]) == [
        1, 0, 0, 0, 0x03, 0x02, 0x01, 0x00, 0x14, 0x13, 0x12, 0x11, 0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21,
      ])
    #expect(FrameTable.encode([]) == [1, 0, 0, 0])
  }

  @Test("Lengths that do not follow the grid", arguments: [
    ([], 0, 1), ([1], 0, 0), ([0], 0, 0), ([1, 0], 0, 1), ([1], 0, 2), ([2], 0, 1), ([1, 1], 0, 2),
    ([cell, 1], 0, cell), ([cell], 0, cell + 1), ([cell + 1], 0, cell + 1), ([cell], 1, cell),
    ([cell, cell], 1, 2 * cell), ([cell - 1, cell], 1, 2 * cell - 2), ([1, cell - 1], 0, cell),
    ([Int(UInt32.max)], 0, Int(UInt32.max)), ([1], 0, Int.max), ([1], 0, -1), ([], 0, -1),
  ] as [([Int], UInt64, Int)])
  func misfits(_ lengths: [Int], _ start: UInt64, _ byteCount: Int) {
    #expect(Self.decode(FrameTable.encode(Self.table(lengths)), LSN(rawValue: start), byteCount) == .corrupt)
  }

  @Test func everyTruncationIsSeen() {
    let bytes = FrameTable.encode(Self.table([Self.cell, Self.cell, 9]))
    for count in 0..<bytes.count {
      #expect(Self.decode(Array(bytes.prefix(count)), .zero, 2 * Self.cell + 9) == .corrupt, "\(count) bytes")
    }
    #expect(Self.decode(bytes + [0], .zero, 2 * Self.cell + 9) == .corrupt)
    #expect(Self.decode(bytes + [UInt8](repeating: 0, count: 16), .zero, 2 * Self.cell + 9) == .corrupt)
  }

  @Test func versionsAndReservedBytes() {
    let bytes = FrameTable.encode(Self.table([9]))
    for version in UInt8.min ... .max where version != 1 {
      #expect(Self.decode([version] + bytes.dropFirst(), .zero, 9) == (version > 1 ? .newerVersion : .corrupt))
    }
    for bit in 8..<32 { #expect(Self.decode(bytes.flipping(bit: bit), .zero, 9) == .corrupt) }
    // Lengths are tied to the grid, so a flipped bit of one is seen; checksums speak for themselves.
    for bit in 32..<64 { #expect(Self.decode(bytes.flipping(bit: bit), .zero, 9) == .corrupt) }
  }

  @Test func randomTablesNeverTrap() {
    var random = SeededRandom(state: 13)
    for round in 0..<2000 {
      var bytes = random.bytes(Int.random(in: 0...200, using: &random))
      if bytes.count >= 4, round % 2 == 0 { bytes.replaceSubrange(0..<4, with: [1, 0, 0, 0]) }
      let start = LSN(rawValue: random.next() >> UInt64.random(in: 0..<64, using: &random))
      let byteCount = Int(truncatingIfNeeded: random.next()) >> Int.random(in: 0..<64, using: &random)
      // An empty table of an empty run is a table.
      let isEmpty = bytes == [1, 0, 0, 0] && byteCount == 0
      #expect((Self.decode(bytes, start, byteCount) == nil) == isEmpty, "round \(round) of seed 13")
    }
  }
}
