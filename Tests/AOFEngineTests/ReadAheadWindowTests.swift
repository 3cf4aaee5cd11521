import AOFCore
import Testing

@testable import AOFEngine

/// How far ahead of a reader is fetched, decided without a clock, a thread or a remote.
@Suite struct ReadAheadWindowTests {
  private static let request = 128 << 10
  private var window = ReadAheadWindow()
  private var time: Int64 = 0
  /// Bytes a second that the link brings at a window of a size.
  private var rate: (Int) -> Double = { _ in 100e6 }

  private mutating func read(
    _ offset: Int, _ count: Int = request, waited: Bool = true, limit: Int = .max
  ) -> ReadAheadWindow.Action {
    time += Int64(Double(count) / rate(window.size) * 1e9)
    let start = LSN(rawValue: UInt64(offset))
    return window.read(start..<(start + count), waited: waited, limit: limit) { [time] in UnixTime(rawValue: time) }
  }

  @Test mutating func whoJumpsAboutGetsNothing() {
    var noise = Noise(seed: 3)
    for _ in 0..<10_000 {
      #expect(read(noise.below(1 << 16) * 4096, 4096) == .nothing)
      #expect(window.size == 0)
    }
  }

  @Test mutating func whoReadsInOrderGetsTwiceAsMuchWithEachWait() {
    #expect(read(0) == .nothing)
    #expect(read(Self.request) == .fetch(LSN(rawValue: 256 << 10)..<LSN(rawValue: 384 << 10)))
    #expect(window.size == 128 << 10)
    _ = read(2 * Self.request)
    #expect(window.size == 256 << 10)
    _ = read(3 * Self.request, waited: false)
    #expect(window.size == 256 << 10, "who does not wait has enough")
  }

  @Test mutating func whatIsFetchedIsAskedForOnceAndInOrder() {
    var end = LSN.zero
    for index in 0..<400 {
      guard case .fetch(let range) = read(index * Self.request, waited: index % 3 == 0) else { continue }
      #expect(range.lowerBound >= end)
      if end > .zero { #expect(range.lowerBound == max(end, LSN(rawValue: UInt64((index + 1) * Self.request)))) }
      end = range.upperBound
    }
    #expect(end.rawValue > UInt64(400 * Self.request))
  }

  @Test mutating func growingEndsWhereTheLinkIsFull() {
    rate = { Double(min(max($0, 128 << 10), 16 << 20)) * 10 }
    var offset = 0
    for _ in 0..<3000 {
      _ = read(offset)
      offset += Self.request
      if offset > 160 << 20 { break }
    }
    #expect(window.size >= 16 << 20)
    #expect(window.size <= 32 << 20)
  }

  @Test mutating func aJumpDropsItAndALateReadDoesNot() {
    for index in 0..<10 { _ = read(index * Self.request) }
    let size = window.size
    #expect(size > 0)
    _ = read(11 * Self.request)
    _ = read(10 * Self.request, waited: false)
    #expect(window.size >= size)
    #expect(read(500 << 20) == .drop)
    #expect(window.size == 0)
    #expect(read(900 << 20) == .nothing)
  }

  @Test mutating func theLimitIsKept() {
    for index in 0..<100 { _ = read(index * Self.request, limit: 1 << 20) }
    #expect(window.size == 1 << 20)
    _ = read(100 * Self.request, waited: false, limit: 256 << 10)
    #expect(window.size == 256 << 10)
  }

  @Test mutating func theEndOfTheAddressSpaceIsNoTrap() {
    let end = Int(LSN.max.rawValue) - 3 * Self.request
    for index in 0..<3 { _ = read(end + index * Self.request) }
    #expect(window.size > 0)
  }
}
