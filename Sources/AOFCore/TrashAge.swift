/// How long a log stays in the trash before it is purged. Whole seconds; 0 purges at once.
public struct TrashAge: Hashable, Comparable, Sendable {
  public let seconds: UInt64

  /// - Throws: `invalidArgument` past ``longest``.
  public init(seconds: UInt64) throws(AofError) {
    guard seconds <= Self.longest else { throw Self.impossible("\(seconds)s") }
    self.seconds = seconds
  }

  private init(days: UInt64) { seconds = days * 86_400 }

  /// A week.
  public static let standard = TrashAge(days: 7)

  /// A hundred years, in seconds.
  static let longest: UInt64 = 36_500 * 86_400

  /// A whole number and one of s, m, h, d; a bare number is seconds: `7d`, `12h`, `0`.
  /// - Throws: `invalidArgument`.
  public init(parsing text: String) throws(AofError) {
    let digits = text.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    let unit = Self.units.first { $0.name.utf8.elementsEqual(text.utf8.dropFirst(digits.count)) }
    let isBare = digits.count == text.utf8.count
    guard let number = UInt64(String(digits) ?? ""), let seconds = isBare ? 1 : unit?.seconds,
      number <= Self.longest / seconds
    else { throw Self.impossible(text) }
    self.seconds = number * seconds
  }

  private static let units: [(name: String, seconds: UInt64)] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)]

  private static func impossible(_ text: String) -> AofError {
    AofError(
      .invalidArgument, "'\(text)' is not possible as a trash age",
      remedy: "write a time of up to 36500 days: 7d, 12h, 30m, 45s, or 0 for no trash")
  }

  public static func < (lhs: TrashAge, rhs: TrashAge) -> Bool { lhs.seconds < rhs.seconds }

  /// The first moment at which what was deleted at `time` may be purged.
  package func end(from time: UnixTime) -> UnixTime {
    let (sum, overflow) = time.rawValue.addingReportingOverflow(Int64(seconds) * 1_000_000_000)
    return UnixTime(rawValue: overflow ? .max : sum)
  }
}

extension TrashAge: CustomStringConvertible {
  /// In the largest unit that it is a whole number of; ``init(parsing:)`` reads it.
  public var description: String {
    guard seconds > 0, let unit = Self.units.first(where: { seconds.isMultiple(of: $0.seconds) }) else { return "0" }
    return "\(seconds / unit.seconds)\(unit.name)"
  }
}
