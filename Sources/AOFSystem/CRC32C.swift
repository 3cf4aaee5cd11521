import CAofsShims

/// The CRC that WAL frames, chunk frames and remote objects carry: CRC32C (Castagnoli), as in RFC 3720.
public enum CRC32C {
  /// The checksum of `bytes`, or of what `crc` covers followed by `bytes`.
  @inline(__always)
  public static func checksum(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
    guard let base = bytes.baseAddress else { return crc }
    return aofs_crc32c(crc, base, bytes.count)
  }

  /// The checksum of bytes with the checksum `first`, followed by `count` bytes with the checksum `second`: without a
  /// look at any of them.
  public static func combined(_ first: UInt32, _ second: UInt32, count: Int) -> UInt32 {
    // A checksum is a polynomial modulo P; to append n bytes is to multiply it by x to the power of 8n.
    var power = UInt32(1) << 31
    var square = UInt32(1) << 23
    var rest = count
    while rest > 0 {
      if rest & 1 != 0 { power = product(power, square) }
      square = product(square, square)
      rest >>= 1
    }
    return product(power, first) ^ second
  }

  /// Castagnoli's polynomial, reflected as the checksums are: the highest bit is the constant.
  private static let polynomial: UInt32 = 0x82F6_3B78

  private static func product(_ a: UInt32, _ b: UInt32) -> UInt32 {
    var product: UInt32 = 0
    var shifted = b
    for bit in (0..<32).reversed() {
      if a & (1 << UInt32(bit)) != 0 { product ^= shifted }
      shifted = shifted & 1 != 0 ? (shifted >> 1) ^ polynomial : shifted >> 1
    }
    return product
  }
}
