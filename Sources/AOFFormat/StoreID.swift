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
    // Numbers may carry a sign; digits may not.
    guard text.utf8.count == 32, text.utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }), let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
  }
}

extension StoreID: CustomStringConvertible {
  package var description: String { FixedWidthNumber.hex(high) + FixedWidthNumber.hex(low) }
}
