/// A number of bytes as people set and read it: sizes of chunks, caches and objects.
public struct ByteCount: RawRepresentable, Hashable, Comparable, Sendable, Codable {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// `count` times 1024 bytes.
  public static func kibibytes(_ count: UInt64) -> ByteCount { ByteCount(rawValue: count << 10) }
  /// `count` times 1024² bytes.
  public static func mebibytes(_ count: UInt64) -> ByteCount { ByteCount(rawValue: count << 20) }
  /// `count` times 1024³ bytes.
  public static func gibibytes(_ count: UInt64) -> ByteCount { ByteCount(rawValue: count << 30) }

  public static func < (lhs: ByteCount, rhs: ByteCount) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension ByteCount {
  /// Reads `4096`, `4096B`, `128K`, `128KiB`, `64M`, `64MiB`, `10G`, `10GiB`, with upper or lower case
  /// letters. All units are binary.
  ///
  /// - Throws: `invalidArgument` for anything else, and for sizes past 2^64 - 1.
  public init(parsing text: String) throws(AofError) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let unit = text.dropFirst(digits.count)
    let shift: UInt64? =
      // The Kelvin sign has a lower-case k, too.
      switch unit.utf8.allSatisfy({ $0 < 0x80 }) ? unit.lowercased() : "?" {
      case "", "b": 0
      case "k", "kib": 10
      case "m", "mib": 20
      case "g", "gib": 30
      default: nil
      }
    guard let shift, let number = UInt64(digits), number <= UInt64.max >> shift else {
      throw AofError(
        .invalidArgument, "'\(text)' is not a size",
        remedy: "write a whole number with B, KiB or K, MiB or M, GiB or G, all binary: 64MiB")
    }
    self.init(rawValue: number << shift)
  }
}

extension ByteCount: CustomStringConvertible {
  /// In the largest unit that divides the size evenly: `64MiB`, `4097B`. ``init(parsing:)`` reads it back.
  public var description: String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] as [(UInt64, String)]
    where rawValue != 0 && rawValue & ((1 << shift) - 1) == 0 {
      return "\(rawValue >> shift)\(unit)"
    }
    return "\(rawValue)B"
  }
}
