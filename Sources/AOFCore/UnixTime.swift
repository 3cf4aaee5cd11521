/// A moment, in nanoseconds since 1970-01-01 UTC, as file times and frames carry it.
public struct UnixTime: RawRepresentable, Hashable, Comparable, Sendable, Codable {
  public let rawValue: Int64

  public init(rawValue: Int64) { self.rawValue = rawValue }

  /// Moments outside of what 64 bits hold, some 292 years from 1970, become the first or the last of them.
  public init(seconds: Int64, nanoseconds: Int64) {
    rawValue = Int64(clamping: Int128(seconds) * 1_000_000_000 + Int128(nanoseconds))
  }

  /// Whole seconds, rounded towards the past.
  public var seconds: Int64 { rawValue / 1_000_000_000 - (rawValue % 1_000_000_000 < 0 ? 1 : 0) }

  /// The rest, from 0 to 999,999,999.
  public var nanoseconds: Int64 {
    let rest = rawValue % 1_000_000_000
    return rest < 0 ? rest + 1_000_000_000 : rest
  }

  /// A moment that lies so much later, or the first or last one that there is.
  package func advanced(by duration: Duration) -> UnixTime {
    let (seconds, attoseconds) = duration.components
    return UnixTime(
      rawValue: Int64(clamping: Int128(rawValue) + Int128(seconds) * 1_000_000_000 + Int128(attoseconds / 1_000_000_000)))
  }

  /// Seconds from `earlier` until this moment; negative if that is later.
  package func seconds(since earlier: UnixTime) -> Double { Double(Int128(rawValue) - Int128(earlier.rawValue)) / 1e9 }

  public static func < (lhs: UnixTime, rhs: UnixTime) -> Bool { lhs.rawValue < rhs.rawValue }
}
