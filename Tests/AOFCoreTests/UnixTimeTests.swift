import AOFCore
import Testing

@Suite struct UnixTimeTests {
  @Test(arguments: [
    (0, 0, 0), (1, 0, 1), (999_999_999, 0, 999_999_999), (1_000_000_000, 1, 0), (-1, -1, 999_999_999),
    (-1_000_000_000, -1, 0), (-1_000_000_001, -2, 999_999_999), (Int64.max, 9_223_372_036, 854_775_807),
    (Int64.min, -9_223_372_037, 145_224_192), (Int64.min + 1, -9_223_372_037, 145_224_193),
  ] as [(Int64, Int64, Int64)])
  func parts(_ raw: Int64, _ seconds: Int64, _ nanoseconds: Int64) {
    let time = UnixTime(rawValue: raw)
    #expect(time.seconds == seconds)
    #expect(time.nanoseconds == nanoseconds)
    #expect(UnixTime(seconds: seconds, nanoseconds: nanoseconds) == time)
  }

  /// Whoever owns a file may give it any time.
  @Test func distancesBetweenAnyTwoTimes() {
    #expect(UnixTime(rawValue: .max).seconds(since: UnixTime(rawValue: .min)) == 0x1p64 / 1e9)
    #expect(UnixTime(rawValue: .min).seconds(since: UnixTime(rawValue: .max)) == -0x1p64 / 1e9)
    #expect(UnixTime(rawValue: 2_500_000_000).seconds(since: UnixTime(rawValue: 1_000_000_000)) == 1.5)
  }

  @Test(arguments: [
    (Int64.max, 0, Int64.max), (Int64.max, 999_999_999, Int64.max), (Int64.min, 0, Int64.min),
    (Int64.min, 999_999_999, Int64.min), (9_223_372_036, 854_775_808, Int64.max),
    (-9_223_372_037, 145_224_191, Int64.min), (Int64.max, Int64.max, Int64.max), (Int64.min, Int64.min, Int64.min),
    (0, Int64.max, Int64.max), (0, Int64.min, Int64.min), (1, -1, 999_999_999),
  ] as [(Int64, Int64, Int64)])
  func saturates(_ seconds: Int64, _ nanoseconds: Int64, _ raw: Int64) {
    #expect(UnixTime(seconds: seconds, nanoseconds: nanoseconds).rawValue == raw)
  }
}
