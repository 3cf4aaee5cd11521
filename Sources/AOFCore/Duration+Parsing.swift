extension Duration {
  /// `10s`, `500ms`, `2m`, `1h`, `7d`; a bare number is seconds. Up to thirty days: more is a slip, and would not fit the
  /// system's clocks.
  /// - Throws: `invalidArgument`.
  package init(parsing text: String) throws(AofError) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let unit: Int? =
      switch text.dropFirst(digits.count) {
      case "ms": 1
      case "", "s": 1000
      case "m": 60_000
      case "h": 3_600_000
      case "d": 86_400_000
      default: nil
      }
    guard let unit, let number = Int(digits), number <= 2_592_000_000 / unit else {
      throw AofError(.invalidArgument, "'\(text)' is not a time", remedy: "write 10s, 500ms, 2m, 1h or 7d")
    }
    self = .milliseconds(number * unit)
  }
}
