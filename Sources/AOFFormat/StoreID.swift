/// The random identity of a store: 128 bits.
package struct StoreID: Hashable, Sendable {
  package let high: UInt64
  package let low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Reads 32 hexadecimal digits; nil for anything else.
  package init?(_ text: String) {
    guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
  }
}

extension StoreID: CustomStringConvertible {
  package var description: String { HexText.digits(high) + HexText.digits(low) }
}

/// Numbers as names of files and objects write them.
package enum HexText {
  /// 16 lower-case hexadecimal digits.
  package static func digits(_ number: UInt64) -> String { padded(String(number, radix: 16), to: 16) }

  /// 20 decimal digits, so that names sort as their numbers.
  package static func decimal(_ number: UInt64) -> String { padded(String(number), to: 20) }

  private static func padded(_ text: String, to width: Int) -> String {
    String(repeating: "0", count: max(0, width - text.utf8.count)) + text
  }
}
