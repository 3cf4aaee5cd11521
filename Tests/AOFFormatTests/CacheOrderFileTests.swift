import AOFCore
import AOFSystem
import Testing

@testable import AOFFormat

/// docs/format/cache-order.md.
@Suite struct CacheOrderFileTests {
  private let file = CacheOrderFile([
    CacheOrderFile.Entry(log: LogID(rawValue: 2), group: 7, byteCount: 1 << 20, isMain: false, reads: 0, framesRead: 0),
    CacheOrderFile.Entry(log: LogID(rawValue: 0x0102_0304_0506_0708), group: 9, byteCount: 5, isMain: true, reads: 3, framesRead: 0x81),
  ])

  private func encoded(_ file: CacheOrderFile) -> [UInt8] { file.encoded { CRC32C.checksum($0) } }

  private func decoded(_ bytes: [UInt8]) throws(AofError) -> CacheOrderFile {
    try bytes.withTypedBytes { bytes throws(AofError) in
      try CacheOrderFile(decoding: bytes, path: "f") { CRC32C.checksum($0) }
    }
  }

  @Test func layout() {
    let bytes = encoded(file)
    #expect(bytes.count == 16 + 2 * 24 + 4)
    #expect(bytes[..<16] == [97, 111, 102, 115, 45, 111, 114, 100, 1, 0, 0, 0, 2, 0, 0, 0])
    #expect(bytes[40..<64] == [8, 7, 6, 5, 4, 3, 2, 1, 9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 3, 0x81, 0])
  }

  @Test func whatWasWrittenIsRead() throws {
    #expect(try decoded(encoded(file)) == file)
    #expect(try decoded(encoded(CacheOrderFile([]))).entries.isEmpty)
  }

  @Test func anyOtherBitIsDamage() {
    let bytes = encoded(file)
    for bit in 0..<(8 * bytes.count) {
      // A version is read before there is a checksum to compare.
      let expected: AofError.Code = (64..<96).contains(bit) && bit != 64 ? .newerVersion : .corrupt
      #expect(code { () throws(AofError) in _ = try decoded(bytes.flipping(bit: bit)) } == expected, "bit \(bit)")
    }
  }

  @Test func aPartOfItIsDamage() {
    let bytes = encoded(file)
    for count in 0..<bytes.count {
      #expect(code { () throws(AofError) in _ = try decoded(Array(bytes[..<count])) } == .corrupt)
    }
    #expect(code { () throws(AofError) in _ = try decoded(bytes + [0]) } == .corrupt)
  }
}
