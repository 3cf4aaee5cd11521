import AOFCore
import AOFFormat
import AOFSystem
import Testing

@Suite struct SegmentHeaderTests {
  static let header = WALSegmentHeader(
    storeID: StoreID(high: 0x0011_2233_4455_6677, low: 0x8899_AABB_CCDD_EEFF), sequence: 0x0102_0304_0506_0708,
    base: WalPosition(rawValue: 0x1112_1314_1516_1718), nonce: 0x2122_2324_2526_2728, size: 0x0100_0000,
    created: UnixTime(rawValue: -1))

  static func encoded(_ header: WALSegmentHeader = header) -> [UInt8] {
    // Whatever was there before is overwritten.
    var block = [UInt8](repeating: 0xEE, count: WALFormat.segmentHeaderSize)
    block.withUnsafeMutableBytes { header.encode(into: $0) }
    return block
  }

  static func decode(_ bytes: [UInt8]) throws(AofError) -> WALSegmentHeader {
    try bytes.withTypedBytes { bytes throws(AofError) in try WALSegmentHeader(decoding: bytes, path: "7.wal") }
  }

  /// `bytes` with a checksum that fits them, as only a writer that means it makes them.
  private static func resealed(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    let crc = bytes[..<76].withUnsafeBytes { CRC32C.checksum($0) }
    for index in 0..<4 { bytes[76 + index] = UInt8(truncatingIfNeeded: crc >> UInt32(8 * index)) }
    return bytes
  }

  @Test func roundTrip() throws {
    #expect(try Self.decode(Self.encoded()) == Self.header)
  }

  @Test("The offsets of docs/format/wal.md") func layout() {
    let bytes = Self.encoded()
    #expect(bytes[0..<8].elementsEqual("AOFSWAL\n".utf8))
    #expect(bytes[8..<10].elementsEqual([1, 0]))
    #expect(bytes[16..<24].elementsEqual([0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00]))
    #expect(bytes[24..<32].elementsEqual([0xFF, 0xEE, 0xDD, 0xCC, 0xBB, 0xAA, 0x99, 0x88]))
    #expect(bytes[32..<40].elementsEqual([8, 7, 6, 5, 4, 3, 2, 1]))
    #expect(bytes[40..<48].elementsEqual([0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11]))
    #expect(bytes[48..<56].elementsEqual([0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21]))
    #expect(bytes[56..<64].allSatisfy { $0 == 0xFF })
    #expect(bytes[64..<68].elementsEqual([0, 0, 0, 1]))
    #expect((Array(bytes[10..<16]) + bytes[68..<76] + bytes[80...]).allSatisfy { $0 == 0 })
    #expect(bytes == Self.resealed(bytes))
  }

  @Test func everyFlippedBitIsSeen() {
    let bytes = Self.encoded()
    for bit in 0..<(WALFormat.segmentHeaderLength * 8) {
      // Within the version, a higher number reads as a later format.
      let isVersion = (64..<80).contains(bit)
      let found = code { () throws(AofError) in _ = try Self.decode(bytes.flipping(bit: bit)) }
      #expect(found == .corrupt || (isVersion && found == .newerVersion), "bit \(bit): \(String(describing: found))")
    }
  }

  @Test func everyTruncationIsSeen() {
    let bytes = Self.encoded()
    for count in 0..<WALFormat.segmentHeaderLength {
      #expect(code { () throws(AofError) in _ = try Self.decode(Array(bytes.prefix(count))) } == .corrupt, "\(count)")
    }
  }

  @Test(arguments: [2, 3, 0x0100, 0xFFFF] as [UInt16])
  func laterVersions(_ version: UInt16) throws {
    var bytes = Self.encoded()
    bytes[8] = UInt8(truncatingIfNeeded: version)
    bytes[9] = UInt8(truncatingIfNeeded: version >> 8)
    // Wherever a later version keeps its checksum.
    do {
      _ = try Self.decode(bytes)
      Issue.record("version \(version) was read")
    } catch {
      #expect(error.code == .newerVersion)
      #expect(error.message.contains("7.wal") && error.message.contains("\(version)"))
    }
    bytes[8] = 0
    bytes[9] = 0
    #expect(code { () throws(AofError) in _ = try Self.decode(Self.resealed(bytes)) } == .corrupt)
  }

  @Test("What computes with a header never overflows", arguments: [
    (0, 0), (4095, 0), (1 << 24, UInt64(Int64.max) - (1 << 24) + 1), (.max, .max), (4096, 1 << 63),
  ] as [(UInt32, UInt64)])
  func impossibleSizesAndPlaces(_ size: UInt32, _ base: UInt64) {
    var header = Self.header
    header.size = size
    header.base = WalPosition(rawValue: base)
    #expect(code { () throws(AofError) in _ = try Self.decode(Self.encoded(header)) } == .corrupt)
  }

  @Test func extremesRoundTrip() throws {
    var header = Self.header
    header.size = .max
    header.base = WalPosition(rawValue: UInt64(Int64.max) - UInt64(UInt32.max))
    header.nonce = .max
    header.sequence = .max
    #expect(try Self.decode(Self.encoded(header)) == header)
    header.size = UInt32(WALFormat.segmentHeaderSize)
    header.base = .zero
    #expect(try Self.decode(Self.encoded(header)) == header)
  }

  @Test func randomBlocksNeverTrap() {
    var random = SeededRandom(state: 11)
    for _ in 0..<2000 {
      var bytes = random.bytes(Int.random(in: 0...200, using: &random))
      if bytes.count >= 10, Bool.random(using: &random) { bytes.replaceSubrange(0..<10, with: Self.encoded()[0..<10]) }
      #expect(code { () throws(AofError) in _ = try Self.decode(bytes) } == .corrupt)
    }
  }
}
