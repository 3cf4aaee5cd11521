import AOFCore
import Testing

@Suite struct TrashAgeTests {
  @Test(arguments: [
    ("0", 0), ("0d", 0), ("7d", 604_800), ("12h", 43_200), ("30m", 1800), ("45s", 45), ("45", 45), ("007", 7),
    ("36500d", 3_153_600_000),
  ] as [(String, UInt64)])
  func reads(_ text: String, _ seconds: UInt64) throws {
    let age = try TrashAge(parsing: text)
    #expect(age.seconds == seconds)
    #expect(try TrashAge(parsing: age.description) == age)
  }

  @Test(arguments: [
    "", " ", "d", "-1d", "1 d", "1D", "1w", "1.5h", "1dd", "36501d", "18446744073709551616", "1d\n", "\u{661}d", "1\u{301}",
  ])
  func refuses(_ text: String) {
    #expect(code { () throws(AofError) in _ = try TrashAge(parsing: text) } == .invalidArgument)
  }

  @Test func itIsShownInTheLargestUnit() throws {
    for (seconds, text) in [(0, "0"), (59, "59s"), (60, "1m"), (86_400, "1d"), (90_000, "25h"), (604_800, "7d")] as [(UInt64, String)] {
      #expect(try TrashAge(seconds: seconds).description == text)
    }
    #expect(TrashAge.standard.description == "7d")
  }

  @Test func whatLastsLongerThanTimeEndsLast() throws {
    let longest = try TrashAge(parsing: "36500d")
    #expect(longest.end(from: UnixTime(rawValue: .max - 1)).rawValue == .max)
    #expect(try TrashAge(seconds: 2).end(from: UnixTime(rawValue: 5)).rawValue == 2_000_000_005)
  }
}
