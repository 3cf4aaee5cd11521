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
}
