/// Numbers in the names of files and objects: always as many digits, so that the order of names is the order of
/// numbers.
package enum FixedWidthNumber {
  /// 20 decimal digits.
  package static func decimal(_ number: UInt64) -> String { padded(String(number), to: 20) }

  /// 16 lower-case hex digits.
  package static func hex(_ number: UInt64) -> String { padded(String(number, radix: 16), to: 16) }

  private static func padded(_ digits: String, to width: Int) -> String {
    String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}
