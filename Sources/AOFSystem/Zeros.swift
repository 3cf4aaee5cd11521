import Glibc

extension UnsafeRawBufferPointer {
  /// Whether every byte is 0.
  package var isAllZeros: Bool {
    guard let base = baseAddress, let first else { return true }
    // Equal to itself one byte further on, and 0 at the start: 0 throughout, at the speed of memcmp.
    return first == 0 && memcmp(base, base + 1, count - 1) == 0
  }
}
