/// Changes inputs by chance, the same way for the same seed.
package struct Mutator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// SplitMix64.
  private mutating func random() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  private mutating func random(below limit: Int) -> Int { Int(random() % UInt64(max(1, limit))) }

  /// `input` after one to four changes, one of them maybe a splice with `other`.
  package mutating func mutate(_ input: [UInt8], with other: [UInt8]) -> [UInt8] {
    var bytes = input
    for _ in 0...random(below: 4) { change(&bytes, with: other) }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8], with other: [UInt8]) {
    let place = random(below: bytes.count)
    guard !bytes.isEmpty else { return bytes = other }
    switch random(below: 8) {
    case 0: bytes[place] ^= 1 << UInt8(random(below: 8))
    case 1: bytes[place] = UInt8(truncatingIfNeeded: random())
    case 2: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF][random(below: 5)]
    case 3: bytes.removeLast(bytes.count - place)
    case 4: bytes.insert(UInt8(truncatingIfNeeded: random()), at: place)
    case 5: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random(below: 8)))
    case 6: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 1 + random(below: 64))], at: place)
    default: bytes = Array(bytes[..<place] + other.dropFirst(random(below: other.count)))
    }
  }
}
