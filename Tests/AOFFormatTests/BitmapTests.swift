import AOFFormat
import Testing

@Suite struct BitmapTests {
  @Test(arguments: [0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129])
  func filledAndEmpty(_ count: Int) {
    let full = Bitmap(count: count, filled: true)
    let empty = Bitmap(count: count, filled: false)
    #expect(full.count == count && full.setCount == count && full.isFull)
    #expect(empty.count == count && empty.setCount == 0 && empty.isEmpty)
    // A map of nothing is both.
    #expect(full.isEmpty == (count == 0) && empty.isFull == (count == 0))
    #expect((full == empty) == (count == 0))
  }

  @Test(arguments: [1, 63, 64, 65, 129])
  func eachBitIsItsOwn(_ count: Int) {
    for index in 0..<count {
      var map = Bitmap(count: count, filled: false)
      map[index] = true
      #expect((0..<count).filter { map[$0] } == [index])
      #expect(map.setCount == 1)
      map[index] = false
      #expect(map == Bitmap(count: count, filled: false))
      map = Bitmap(count: count, filled: true)
      map[index] = false
      #expect(!map[index] && map.setCount == count - 1 && !map.isFull)
      map[index] = true
      #expect(map.isFull)
    }
  }

  @Test(arguments: [0, 1, 7, 8, 9, 63, 64, 65, 200])
  func bytesRoundTrip(_ count: Int) {
    var random = SeededRandom(state: UInt64(count))
    for _ in 0..<50 {
      var map = Bitmap(count: count, filled: false)
      for index in 0..<count { map[index] = Bool.random(using: &random) }
      #expect(map.bytes.count == (count + 7) / 8)
      #expect(Bitmap(bytes: map.bytes, count: count) == map)
    }
  }

  @Test func firstBitIsTheLowest() {
    var map = Bitmap(count: 12, filled: false)
    map[0] = true
    map[9] = true
    #expect(map.bytes == [0b1, 0b10])
  }

  @Test func bytesThatDoNotFit() {
    #expect(Bitmap(bytes: [0xFF], count: 0) == nil)
    #expect(Bitmap(bytes: [], count: 1) == nil)
    #expect(Bitmap(bytes: [0xFF], count: 9) == nil)
    #expect(Bitmap(bytes: [0xFF, 0xFF], count: 8) == nil)
    // Bits past the end mean nothing, and do not count.
    #expect(Bitmap(bytes: [0xFF], count: 3) == Bitmap(count: 3, filled: true))
    #expect(Bitmap(bytes: [UInt8](repeating: 0xFF, count: 9), count: 65)?.setCount == 65)
  }
}
