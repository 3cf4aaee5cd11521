/// A log sequence number: the byte offset in a log.
///
/// LSNs are dense, start at 0 and are never skipped, so an LSN is also the file offset under a mount.
public struct LSN: RawRepresentable, Hashable, Sendable, Codable {
  /// The byte offset, in bytes from the first byte ever appended.
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The first LSN of every log.
  public static let zero = LSN(rawValue: 0)

  /// The largest LSN that the end of a log may reach: file offsets are signed 64-bit numbers.
  public static let max = LSN(rawValue: UInt64(Int64.max))

  /// The LSN `byteCount` bytes further on, or nil if that is past ``max``.
  public func advanced(byAtMost byteCount: Int) -> LSN? {
    guard byteCount >= 0 else { return nil }
    let (sum, overflow) = rawValue.addingReportingOverflow(UInt64(byteCount))
    return overflow || sum > LSN.max.rawValue ? nil : LSN(rawValue: sum)
  }
}

extension LSN: Comparable {
  public static func < (lhs: LSN, rhs: LSN) -> Bool { lhs.rawValue < rhs.rawValue }

  /// The LSN `byteCount` bytes further on. For bytes that are known to be in the log.
  public static func + (lhs: LSN, byteCount: Int) -> LSN {
    LSN(rawValue: lhs.rawValue + UInt64(byteCount))
  }

  /// The number of bytes from `rhs` to `lhs`; `rhs` must not be larger.
  public static func - (lhs: LSN, rhs: LSN) -> Int { Int(lhs.rawValue - rhs.rawValue) }
}

extension LSN: CustomStringConvertible, ExpressibleByIntegerLiteral {
  public var description: String { String(rawValue) }
  public init(integerLiteral value: UInt64) { self.init(rawValue: value) }
}

extension Range where Bound == LSN {
  /// The number of bytes in the range.
  public var byteCount: Int { upperBound - lowerBound }
}
