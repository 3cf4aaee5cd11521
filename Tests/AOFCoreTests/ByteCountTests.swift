import AOFCore
import Testing

@Suite struct ByteCountTests {
  @Test(arguments: [
    ("0", 0), ("4096", 4096), ("4096B", 4096), ("7b", 7), ("128K", 131_072), ("128KiB", 131_072), ("1kIb", 1024),
    ("64M", 67_108_864), ("64mib", 67_108_864), ("10G", 10_737_418_240), ("10GiB", 10_737_418_240),
    ("007", 7), ("18446744073709551615", UInt64.max), ("17179869183GiB", 17_179_869_183 << 30),
  ] as [(String, UInt64)])
  func reads(_ text: String, _ bytes: UInt64) throws {
    #expect(try ByteCount(parsing: text).rawValue == bytes)
  }

  @Test(arguments: [
    "", " ", "-1", "+1", " 1", "1 ", "1 K", "1.5M", "0x10", "1e3", "K", "KiB", "1KB", "1T", "1KiBB", "1\u{0}", "1K\n",
    "1\r\n", "\u{661}", "\u{FF11}", "\u{00BD}", "1\u{212A}", "1\u{212A}iB", "1\u{301}", "1_000", "1,000", "NaN",
    "18446744073709551616", "18014398509481984K", "17592186044416M", "17179869184G",
    String(repeating: "9", count: 10_000),
  ])
  func refuses(_ text: String) {
    #expect(code { () throws(AofError) in _ = try ByteCount(parsing: text) } == .invalidArgument)
  }

  @Test func writesWhatItReads() throws {
    var values: [UInt64] = [0, 1, 1023, .max, .max - 1]
    for shift in UInt64(0)..<64 { values += [1 << shift, (1 << shift) + 1, 3 << shift] }
    for value in values {
      let count = ByteCount(rawValue: value)
      #expect(try ByteCount(parsing: count.description) == count)
    }
    #expect(ByteCount.mebibytes(64).description == "64MiB")
    #expect(ByteCount(rawValue: 4097).description == "4097B")
    #expect(ByteCount(rawValue: 0).description == "0B")
    #expect(ByteCount.gibibytes(1) > .mebibytes(1023))
  }
}
