import AOFCore
import Testing

@testable import AOFFormat

@Suite struct RemoteObjectTests {
  static let table = SeekTable(entries: [
    .init(compressedSize: 0x0102_0304, decompressedSize: 0x20),
    .init(compressedSize: 7, decompressedSize: 1),
  ])

  static func makeInfo() throws(AofError) -> ObjectInfo {
    try ObjectInfo(
      log: LogID(rawValue: 17), chunk: ChunkID(rawValue: 3), generation: Generation(rawValue: 5),
      range: 100..<133,
      frames: [
        .init(start: 100, length: 0x20, crc32c: 0xAABB_CCDD, time: UnixTime(rawValue: -2)),
        .init(start: 132, length: 1, crc32c: 1, time: UnixTime(rawValue: 9)),
      ])
  }

  static func encodedInfo() throws -> [UInt8] {
    var bytes: [UInt8] = []
    try makeInfo().encode(into: &bytes, crc32c: softwareCRC32C)
    return bytes
  }

  private func decodeInfo(_ bytes: [UInt8]) throws -> ObjectInfo {
    try bytes.withUnsafeBytes { try ObjectInfo(frame: $0, crc32c: softwareCRC32C) }
  }

  private func decodeTable(_ bytes: [UInt8]) throws -> SeekTable {
    try bytes.withUnsafeBytes { try SeekTable(tail: $0) }
  }

  private func code(_ body: () throws -> Void) -> AofError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? AofError)?.code
    }
  }

  @Test func checksumIsCastagnoli() {
    #expect(Array("123456789".utf8).withUnsafeBytes { softwareCRC32C(0, $0) } == 0xE306_9283)
  }

  // MARK: Seek table

  @Test func seekTableIsTheDocumentedBytes() throws {
    var bytes: [UInt8] = []
    Self.table.encode(into: &bytes)
    #expect(
      bytes == [
        0x5E, 0x2A, 0x4D, 0x18, 25, 0, 0, 0,
        4, 3, 2, 1, 0x20, 0, 0, 0,
        7, 0, 0, 0, 1, 0, 0, 0,
        2, 0, 0, 0, 0, 0xB1, 0xEA, 0x92, 0x8F,
      ])
    #expect(bytes.count == SeekTable.encodedSize(frameCount: 2))
    #expect(try decodeTable(bytes) == Self.table)
    #expect(try decodeTable([1, 2, 3] + bytes) == Self.table)
  }

  @Test func seekTableKnowsWhereFramesLie() {
    #expect(Self.table.byteRange(ofFrame: 0) == 0..<0x0102_0304)
    #expect(Self.table.byteRange(ofFrame: 1) == 0x0102_0304..<0x0102_030B)
    #expect(Self.table.byteRange(ofFrame: 2) == nil)
    #expect(Self.table.byteRange(ofFrame: -1) == nil)
    #expect(Self.table.objectSize == 0x0102_030B + 116 + 33)
  }

  @Test func everyTruncationOfASeekTableIsCorrupt() throws {
    var bytes: [UInt8] = []
    Self.table.encode(into: &bytes)
    for count in 0..<bytes.count {
      #expect(code { _ = try decodeTable(Array(bytes[..<count])) } == .corrupt, "first \(count)")
      #expect(code { _ = try decodeTable(Array(bytes.suffix(count))) } == .corrupt, "last \(count)")
    }
  }

  @Test func everyChangedByteOfASeekTableIsCorruptOrAnotherTable() throws {
    var bytes: [UInt8] = []
    Self.table.encode(into: &bytes)
    for index in bytes.indices {
      for value in UInt8.min...UInt8.max where value != bytes[index] {
        var damaged = bytes
        damaged[index] = value
        // The table has no checksum: sizes may change. The frame around them may not.
        if let table = try? decodeTable(damaged) {
          #expect((8..<24).contains(index))
          #expect(table != Self.table)
        }
      }
    }
  }

  @Test func hugeCountsAreCorrupt() {
    for count: [UInt8] in [[0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0x7F]] {
      let bytes = [UInt8](repeating: 0, count: 64) + count + [0, 0xB1, 0xEA, 0x92, 0x8F]
      #expect(code { _ = try decodeTable(bytes) } == .corrupt)
    }
  }

  // MARK: Info frame

  @Test func infoIsTheDocumentedBytes() throws {
    let bytes = try Self.encodedInfo()
    let expected: [UInt8] =
      [0x50, 0x2A, 0x4D, 0x18, 108, 0, 0, 0] + Array("aofs-obj".utf8)
      + [1, 0, 0, 0, 2, 0, 0, 0]
      + [17, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]
      + [5, 0, 0, 0, 0, 0, 0, 0]
      + [100, 0, 0, 0, 0, 0, 0, 0, 133, 0, 0, 0, 0, 0, 0, 0]
      + [100, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0xDD, 0xCC, 0xBB, 0xAA]
      + [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]
      + [132, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]
    #expect(Array(bytes.dropLast(4)) == expected)
    let crc = expected.withUnsafeBytes { softwareCRC32C(0, $0) }
    #expect(Array(bytes.suffix(4)) == (0..<4).map { UInt8(truncatingIfNeeded: crc >> ($0 * 8)) })
    #expect(bytes.count == ObjectInfo.encodedSize(frameCount: 2))
    #expect(try decodeInfo(bytes) == Self.makeInfo())
  }

  @Test func infoIsAppended() throws {
    var bytes: [UInt8] = [9, 9]
    try Self.makeInfo().encode(into: &bytes, crc32c: softwareCRC32C)
    #expect(Array(bytes.dropFirst(2)) == (try Self.encodedInfo()))
  }

  @Test func everyTruncationOfInfoIsCorrupt() throws {
    let bytes = try Self.encodedInfo()
    for count in 0..<bytes.count {
      #expect(code { _ = try decodeInfo(Array(bytes[..<count])) } == .corrupt)
    }
    #expect(code { _ = try decodeInfo(bytes + [0]) } == .corrupt)
  }

  @Test func everyFlippedBitOfInfoIsCorrupt() throws {
    let bytes = try Self.encodedInfo()
    for index in bytes.indices {
      for bit in 0..<8 {
        var damaged = bytes
        damaged[index] ^= 1 << bit
        #expect(code { _ = try decodeInfo(damaged) } == .corrupt, "byte \(index), bit \(bit)")
      }
    }
  }

  /// A good checksum over bad content: fields are checked for themselves.
  @Test func everyFlippedBitUnderAGoodChecksumIsAnErrorOrAnotherValue() throws {
    let bytes = try Self.encodedInfo()
    let info = try Self.makeInfo()
    for index in 0..<bytes.count - 4 {
      for bit in 0..<8 {
        let damaged = sealed(bytes, changing: index) { $0 ^= 1 << bit }
        if let decoded = try? decodeInfo(damaged) { #expect(decoded != info) }
      }
    }
    // Reserved field, first LSN, end LSN, length of a frame, the tail's chunk id.
    for index in [44, 48, 56, 72] {
      #expect(code { _ = try decodeInfo(sealed(bytes, changing: index) { $0 &+= 1 }) } == .corrupt)
    }
    var tail = bytes
    for index in 32..<40 { tail[index] = 0xFF }
    #expect(code { _ = try decodeInfo(sealed(tail, changing: 0) { _ in }) } == .corrupt)
  }

  @Test func aNewerObjectIsRefusedAsSuch() throws {
    let newer = sealed(try Self.encodedInfo(), changing: 16) { $0 = 2 }
    #expect(code { _ = try decodeInfo(newer) } == .newerVersion)
    let none = sealed(try Self.encodedInfo(), changing: 16) { $0 = 0 }
    #expect(code { _ = try decodeInfo(none) } == .corrupt)
  }

  @Test func impossibleObjectsAreRefused() {
    func make(_ chunk: ChunkID, _ range: Range<LSN>, _ lengths: [UInt32]) -> AofError.Code? {
      var start = range.lowerBound.rawValue
      let frames = lengths.map { length in
        defer { start &+= UInt64(length) }
        return ObjectInfo.Frame(
          start: LSN(rawValue: start), length: length, crc32c: 0, time: UnixTime(rawValue: 0))
      }
      return code {
        _ = try ObjectInfo(
          log: LogID(rawValue: 2), chunk: chunk, generation: .first, range: range, frames: frames)
      }
    }
    let chunk = ChunkID(rawValue: 0)
    #expect(make(chunk, 0..<10, [4, 6]) == nil)
    #expect(make(chunk, 0..<10, [4, 5]) == .invalidArgument)
    #expect(make(chunk, 0..<10, [4, 7]) == .invalidArgument)
    #expect(make(chunk, 0..<10, [4, 0, 6]) == .invalidArgument)
    #expect(make(chunk, 0..<10, []) == .invalidArgument)
    #expect(make(chunk, 10..<10, []) == .invalidArgument)
    #expect(make(.tail, 0..<10, [10]) == .invalidArgument)
    #expect(make(chunk, 0..<0x10_0001, [0x10_0001]) == .invalidArgument)
    let last = LSN.max.rawValue
    #expect(make(chunk, LSN(rawValue: last - 1)..<LSN(rawValue: last), [1]) == nil)
    #expect(make(chunk, LSN(rawValue: last)..<LSN(rawValue: last + 1), [1]) == .invalidArgument)
  }

  /// Changes a byte and makes the checksum good again.
  private func sealed(_ bytes: [UInt8], changing index: Int, _ change: (inout UInt8) -> Void) -> [UInt8] {
    var content = Array(bytes.dropLast(4))
    change(&content[index])
    let crc = content.withUnsafeBytes { softwareCRC32C(0, $0) }
    return content + (0..<4).map { UInt8(truncatingIfNeeded: crc >> ($0 * 8)) }
  }
}
