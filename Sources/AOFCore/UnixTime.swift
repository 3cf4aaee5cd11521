/// A moment, in nanoseconds since 1970-01-01 UTC, as file times and frames carry it.
public struct UnixTime: RawRepresentable, Hashable, Comparable, Sendable, Codable {
  public let rawValue: Int64

  public init(rawValue: Int64) { self.rawValue = rawValue }

  public init(seconds: Int64, nanoseconds: Int64) {
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, carry) = product.addingReportingOverflow(nanoseconds)
    rawValue = overflow || carry ? (seconds < 0 ? .min : .max) : sum
  }

  /// Whole seconds, rounded towards the past.
  public var seconds: Int64 { (rawValue - nanoseconds) / 1_000_000_000 }

  /// The rest, from 0 to 999,999,999.
  public var nanoseconds: Int64 {
    let rest = rawValue % 1_000_000_000
    return rest < 0 ? rest + 1_000_000_000 : rest
  }

  public static func < (lhs: UnixTime, rhs: UnixTime) -> Bool { lhs.rawValue < rhs.rawValue }
}
