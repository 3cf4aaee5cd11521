import AOFFormat
import Testing

@Suite("Store ids and numbers in names") struct IdentityTests {
  @Test func storeIDs() {
    let id = StoreID(high: 0x0123_4567_89AB_CDEF, low: 1)
    #expect(id.description == "0123456789abcdef0000000000000001")
    #expect(StoreID(id.description) == id)
    #expect(StoreID("0123456789ABCDEF0000000000000001") == id)
    #expect(StoreID(String(repeating: "f", count: 32)) == StoreID(high: .max, low: .max))
  }

  @Test(arguments: [
    "", "0123456789abcdef000000000000001", "0123456789abcdef00000000000000011", "0123456789abcdeg0000000000000001",
    "+123456789abcdef0000000000000001", "-0000000000000000000000000000000", "0123456789abcdef+000000000000001",
    "0123456789abcdef 000000000000001", "\u{FF11}123456789abcdef00000000000001",
  ])
  func impossibleStoreIDs(_ text: String) {
    #expect(StoreID(text) == nil)
  }

  @Test func fixedWidths() {
    #expect(FixedWidthNumber.decimal(0) == "00000000000000000000")
    #expect(FixedWidthNumber.decimal(.max) == "18446744073709551615")
    #expect(FixedWidthNumber.hex(0xAB) == "00000000000000ab")
    #expect(FixedWidthNumber.hex(.max) == "ffffffffffffffff")
    let numbers: [UInt64] = [0, 9, 10, 255, 256, .max / 2, .max]
    #expect(numbers.map(FixedWidthNumber.decimal).sorted() == numbers.map(FixedWidthNumber.decimal))
    #expect(numbers.map(FixedWidthNumber.hex).sorted() == numbers.map(FixedWidthNumber.hex))
  }

  @Test func littleEndianNumbers() {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt16(0x0102))
    bytes.append(littleEndian: Int32(-2))
    #expect(bytes == [2, 1, 0xFE, 0xFF, 0xFF, 0xFF])
    bytes.withUnsafeBytes { bytes in
      #expect(bytes.number(at: 0, as: UInt16.self) == 0x0102)
      #expect(bytes.numberIfPresent(at: 2, as: Int32.self) == -2)
      for offset in [-1, 3, 6, 7, Int.max, Int.min] {
        #expect(bytes.numberIfPresent(at: offset, as: Int32.self) == nil, "offset \(offset)")
      }
    }
  }
}
