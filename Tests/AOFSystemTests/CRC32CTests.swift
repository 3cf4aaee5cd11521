import AOFSystem
import Testing

@Suite struct CRC32CTests {
  @Test(arguments: [0, 1, 7, 64, 4095, 131_071]) func checksumsOfPiecesMakeThatOfTheWhole(_ cut: Int) {
    let bytes = (0..<131_072).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
    func checksum(_ range: Range<Int>) -> UInt32 {
      bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }
    let whole = checksum(0..<bytes.count)
    #expect(CRC32C.combined(checksum(0..<cut), checksum(cut..<bytes.count), count: bytes.count - cut) == whole)
    #expect(CRC32C.combined(whole, 0, count: 0) == whole)
  }

  /// RFC 3720, B.4.
  @Test func theStandardsExamples() {
    func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 { Array(bytes).withUnsafeBytes { CRC32C.checksum($0) } }
    #expect(checksum(repeatElement(0, count: 32)) == 0x8A91_36AA)
    #expect(checksum(repeatElement(0xFF, count: 32)) == 0x62A8_AB43)
    #expect(checksum(0..<32) == 0x46DD_794E)
    #expect(checksum((0..<32).reversed()) == 0x113F_DB5C)
  }

  /// Long ones are computed in several places at once.
  @Test(arguments: [0, 1, 8, 1023, 3071, 3072, 3073, 6144, 20_011]) func anyLengthAnywhere(_ count: Int) {
    let bytes = (0..<count + 8).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 9) }
    for offset in [0, 1, 7] {
      var expected: UInt32 = 0xFFFF_FFFF
      for byte in bytes[offset..<(offset + count)] {
        expected ^= UInt32(byte)
        for _ in 0..<8 { expected = expected & 1 != 0 ? (expected >> 1) ^ 0x82F6_3B78 : expected >> 1 }
      }
      bytes.withUnsafeBytes { #expect(CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[offset..<(offset + count)])) == ~expected) }
    }
  }
}
