import AOFCore
import AOFFormat
import AOFSystem
import Testing

@Suite struct FrameHeaderTests {
  static let nonce: UInt64 = 0xA1A2_A3A4_A5A6_A7A8
  static let header = WALFrameHeader(
    kind: .inline, logID: LogID(rawValue: 0x0102_0304_0506_0708), generation: Generation(rawValue: 0x1112_1314),
    lsn: LSN(rawValue: 0x2122_2324_2526_2728), length: 0x0031_3233, time: UnixTime(rawValue: -2),
    durableMark: WalPosition(rawValue: 0x4142_4344_4546_4748), durableLSN: LSN(rawValue: 0x0162_6364_6566_6768),
    bodyChecksum: 0x5152_5354)

  static func encoded(_ header: WALFrameHeader = header, nonce: UInt64 = nonce) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: WALFormat.frameHeaderSize)
    bytes.withUnsafeMutableBytes { header.encode(into: $0, nonce: nonce) }
    return bytes
  }

  static func decode(_ bytes: [UInt8], nonce: UInt64 = nonce) -> WALFrameHeader? {
    bytes.withUnsafeBytes { WALFrameHeader(decoding: $0, nonce: nonce) }
  }

  @Test func roundTrip() {
    #expect(Self.decode(Self.encoded()) == Self.header)
    // What follows the header is the payload's.
    #expect(Self.decode(Self.encoded() + [1, 2, 3]) == Self.header)
  }

  @Test("The offsets of docs/format/wal.md") func layout() {
    let bytes = Self.encoded()
    #expect(bytes[0..<4].elementsEqual("AOFf".utf8))
    #expect(bytes[4..<8].elementsEqual([1, 0, 1, 0]))
    #expect(bytes[8..<16].elementsEqual([8, 7, 6, 5, 4, 3, 2, 1]))
    #expect(bytes[16..<20].elementsEqual([0x14, 0x13, 0x12, 0x11]))
    #expect(bytes[20..<24].elementsEqual([0x33, 0x32, 0x31, 0x00]))
    #expect(bytes[24..<32].elementsEqual([0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21]))
    #expect(bytes[32..<40].elementsEqual([0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]))
    #expect(bytes[40..<48].elementsEqual([0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41]))
    #expect(bytes[48..<52].elementsEqual([0x54, 0x53, 0x52, 0x51]))
    #expect(bytes[52..<60].elementsEqual([0x68, 0x67, 0x66, 0x65, 0x64, 0x63, 0x62, 0x01]))
    let seed = (0..<8).map { UInt8(truncatingIfNeeded: Self.nonce >> UInt64(8 * $0)) }
    let crc = (seed + bytes[..<60]).withUnsafeBytes { CRC32C.checksum($0) }
    #expect(bytes[60..<64].elementsEqual((0..<4).map { UInt8(truncatingIfNeeded: crc >> UInt32(8 * $0)) }))
  }

  @Test func everyFlippedBitIsSeen() {
    let bytes = Self.encoded()
    for bit in 0..<(bytes.count * 8) { #expect(Self.decode(bytes.flipping(bit: bit)) == nil, "bit \(bit)") }
  }

  @Test func everyTruncationIsSeen() {
    let bytes = Self.encoded()
    for count in 0..<bytes.count { #expect(Self.decode(Array(bytes.prefix(count))) == nil, "\(count) bytes") }
  }

  @Test func framesOfAnotherLifeAreNone() {
    let bytes = Self.encoded()
    for bit in UInt64(0)..<64 { #expect(Self.decode(bytes, nonce: Self.nonce ^ (1 << bit)) == nil) }
    for other in [0, 1, .max] as [UInt64] { #expect(Self.decode(bytes, nonce: other) == nil) }
  }

  @Test func impossibleLengthsAreRefused() {
    var header = Self.header
    header.length = 0
    #expect(Self.decode(Self.encoded(header)) == nil)
    header.length = 1
    header.lsn = .max
    #expect(Self.decode(Self.encoded(header)) == nil, "the payload would end past the largest LSN")
    header.lsn = LSN(rawValue: .max)
    #expect(Self.decode(Self.encoded(header)) == nil)
    header.lsn = LSN(rawValue: LSN.max.rawValue - 1)
    #expect(Self.decode(Self.encoded(header)) == header)
    header.length = .max
    header.lsn = LSN(rawValue: LSN.max.rawValue - UInt64(UInt32.max))
    #expect(Self.decode(Self.encoded(header)) == header)
  }

  @Test func aLogIsNotDurablePastItsFrame() {
    var header = Self.header
    header.durableLSN = header.lsn
    #expect(Self.decode(Self.encoded(header)) == header)
    header.durableLSN = header.lsn + 1
    #expect(Self.decode(Self.encoded(header)) == nil)
  }

  @Test("An indirect frame has a checksum for each piece of its payload, cut by the grid") func bodies() {
    let grid = Limits.frameSize
    var header = Self.header
    header.kind = .indirect
    header.durableLSN = .zero
    for (lsn, length, pieces) in [
      (0, 1, 1), (0, grid, 1), (0, grid + 1, 2), (grid - 1, 1, 1), (grid - 1, 2, 2), (5, 3 * grid, 4),
      (7 * grid, 8 * grid, 8),
    ] {
      header.lsn = LSN(rawValue: UInt64(lsn))
      header.length = UInt32(length)
      #expect(Self.decode(Self.encoded(header)) == header)
      #expect(header.bodyLength == pieces * 4, "\(length) bytes at \(lsn)")
      var rest = header.range
      for _ in 0..<pieces { rest = WALFormat.firstPiece(of: rest).upperBound..<rest.upperBound }
      #expect(rest.isEmpty)
    }
    header.kind = .inline
    #expect(header.bodyLength == Int(header.length))
  }

  @Test func randomBytesAreNoFrame() {
    var random = SeededRandom(state: 12)
    let good = Self.encoded()
    for _ in 0..<2000 {
      var bytes = random.bytes(Int.random(in: 0...130, using: &random))
      if bytes.count >= 8, Bool.random(using: &random) { bytes.replaceSubrange(0..<8, with: good[0..<8]) }
      #expect(Self.decode(bytes) == nil)
    }
  }

  @Test func sizes() {
    let header = WALFormat.frameHeaderSize
    #expect(WALFormat.frameSize(body: 0) == header)
    #expect(WALFormat.frameSize(body: 1) == header + 64)
    #expect(WALFormat.frameSize(body: 64) == header + 64)
    #expect(WALFormat.frameSize(body: 65) == header + 128)
    #expect(header % WALFormat.frameAlignment == 0)
    #expect(WALFormat.segmentHeaderSize % WALFormat.frameAlignment == 0)
    #expect(WALFormat.segmentHeaderLength <= WALFormat.segmentHeaderSize)
    // The largest append fits one segment with its framing, whichever kind it is, and however it is cut.
    let segment = Limits.walSegmentSize - WALFormat.segmentHeaderSize
    #expect(256 * WALFormat.frameSize(body: 4) + WALFormat.frameSize(body: Limits.largestInlineAppend) <= segment)
    #expect(WALFormat.frameSize(body: 4 * (Limits.maximumAppend / Limits.frameSize + 1)) <= segment)
  }

  @Test func positions() {
    let position = WalPosition(rawValue: 100)
    #expect(position + 28 == WalPosition(rawValue: 128))
    #expect(WalPosition(rawValue: 128) - position == 28)
    #expect(WalPosition.zero < position)
  }
}
