/// A fixed number of bits: which frames of an extent are resident.
package struct Bitmap: Hashable, Sendable {
  package let count: Int
  private var words: [UInt64]

  package init(count: Int, filled: Bool) {
    self.count = count
    words = Array(repeating: filled ? .max : 0, count: (count + 63) / 64)
    clearUnusedBits()
  }

  package subscript(index: Int) -> Bool {
    get { words[index >> 6] & (1 << UInt64(index & 63)) != 0 }
    set {
      if newValue {
        words[index >> 6] |= 1 << UInt64(index & 63)
      } else {
        words[index >> 6] &= ~(1 << UInt64(index & 63))
      }
    }
  }

  /// How many bits are set.
  package var setCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  package var isFull: Bool { setCount == count }
  package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  private mutating func clearUnusedBits() {
    if count & 63 != 0, let last = words.indices.last { words[last] &= (1 << UInt64(count & 63)) - 1 }
  }
}

extension Bitmap {
  /// The bits, eight to a byte, the first in the lowest bit.
  package var bytes: [UInt8] {
    (0..<(count + 7) / 8).map { UInt8(truncatingIfNeeded: words[$0 >> 3] >> UInt64(($0 & 7) * 8)) }
  }

  /// Nil unless `bytes` is as long as `count` bits need.
  package init?(bytes: [UInt8], count: Int) {
    guard bytes.count == (count + 7) / 8 else { return nil }
    self.init(count: count, filled: false)
    for (index, byte) in bytes.enumerated() { words[index >> 3] |= UInt64(byte) << UInt64((index & 7) * 8) }
    clearUnusedBits()
  }
}
