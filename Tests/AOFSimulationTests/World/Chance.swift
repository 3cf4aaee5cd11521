import Glibc

/// Random numbers that depend on nothing but their seed (SplitMix64).
struct Chance {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// 0 up to, but not, `bound`.
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }

  mutating func one(in count: Int) -> Bool { below(count) == 0 }

  /// `percent` times of a hundred.
  mutating func percent(_ percent: Int) -> Bool { below(100) < percent }
}

/// Bytes to append: pieces of one pool of noise, so that making them costs a copy.
struct NoisePool: @unchecked Sendable {  // never changes
  static let shared = NoisePool()

  private let bytes: UnsafeMutableRawBufferPointer

  private init() {
    bytes = .allocate(byteCount: 4 << 20, alignment: 64)
    var chance = Chance(2718)
    for offset in stride(from: 0, to: bytes.count, by: 8) {
      bytes.storeBytes(of: chance.next(), toByteOffset: offset, as: UInt64.self)
    }
  }

  func piece(_ count: Int, _ chance: inout Chance) -> [UInt8] {
    let start = chance.below(bytes.count - count)
    return Array(UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)]))
  }
}

extension UnsafeRawBufferPointer {
  func isEqual(to other: UnsafeRawBufferPointer) -> Bool {
    guard count == other.count else { return false }
    guard let base = baseAddress, let otherBase = other.baseAddress else { return true }
    return memcmp(base, otherBase, count) == 0
  }
}
