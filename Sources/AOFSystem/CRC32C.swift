import CAofsShims

/// The CRC that WAL frames, chunk frames and remote objects carry: CRC32C (Castagnoli), as in RFC 3720.
public enum CRC32C {
  /// The checksum of `bytes`, or of what `crc` covers followed by `bytes`.
  @inline(__always)
  public static func checksum(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
    guard let base = bytes.baseAddress else { return crc }
    return aofs_crc32c(crc, base, bytes.count)
  }
}
