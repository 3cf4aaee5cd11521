/// A place in a WAL: the number of bytes ever written to it before, over all its segments.
public struct WalPosition: RawRepresentable, Hashable, Comparable, Sendable {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  package static let zero = WalPosition(rawValue: 0)

  public static func < (lhs: WalPosition, rhs: WalPosition) -> Bool { lhs.rawValue < rhs.rawValue }

  package static func + (lhs: WalPosition, byteCount: Int) -> WalPosition {
    WalPosition(rawValue: lhs.rawValue &+ UInt64(byteCount))
  }

  package static func - (lhs: WalPosition, rhs: WalPosition) -> Int {
    Int(clamping: lhs.rawValue.subtractingReportingOverflow(rhs.rawValue).partialValue)
  }
}
