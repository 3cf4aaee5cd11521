import AOFCore
import AOFSystem
import Testing

@testable import AOFEngine

/// The order of eviction, without a disk.
@Suite struct CacheOrderTests {
  private static let limit = 100 << 20
  private var order = CacheOrder()

  private func group(_ number: Int) -> CacheGroup { CacheGroup(log: LogID(rawValue: 2), number: UInt64(number)) }

  private mutating func evicted(_ count: Int) -> [Int] {
    var found: [Int] = []
    while found.count < count, let victim = order.next(limit: Self.limit) {
      if victim.spared == 0 { found.append(Int(victim.group.number)) }
    }
    return found
  }

  @Test mutating func whatIsReadOnceLeavesInItsOrder() {
    for number in 0..<20 { order.add(group(number), 1 << 20) }
    for number in 0..<20 { order.touch(group(number), 1) }
    #expect(evicted(20) == Array(0..<20))
    #expect(order.count == 0)
    #expect(order.next(limit: Self.limit) == nil)
  }

  /// A trim of an exbibyte takes the time of what is cached of it.
  @Test mutating func aRangeIsForgottenHoweverLongItIs() {
    for number in 0..<20 { order.add(group(number), 1 << 20) }
    order.add(CacheGroup(log: LogID(rawValue: 3), number: 7), 1 << 20)
    order.add(group(1 << 40), 1 << 20)
    let watch = Stopwatch()
    order.forget(LogID(rawValue: 2), 3..<(1 << 26))
    #expect(watch.elapsed < .seconds(1))
    #expect(order.count == 5)
    order.forget(LogID(rawValue: 2), 0..<2)
    order.forget(LogID(rawValue: 2), 2..<2)
    #expect(order.count == 3)
    order.forget(LogID(rawValue: 2), ((1 << 40) - 100)..<((1 << 40) + 1))
    #expect(order.count == 2)
    #expect(evicted(5) == [2, 7])
  }

  @Test mutating func whatIsReadAgainOutlivesAnyPass() {
    for number in 0..<80 { order.add(group(number), 1 << 20) }
    for _ in 0..<2 { for number in 0..<80 { order.touch(group(number), 1) } }
    var lost: [Int] = []
    for number in 1000..<3000 {
      order.add(group(number), 1 << 20)
      order.touch(group(number), 1)
      if order.count > 96 { lost += evicted(1).filter { $0 < 1000 } }
    }
    #expect(lost.isEmpty)
  }

  @Test mutating func whatComesBackSoonIsNotOnProbationAgain() {
    for number in 0..<30 { order.add(group(number), 1 << 20) }
    #expect(evicted(10) == Array(0..<10))
    order.add(group(3), 1 << 20)
    // The small queue goes before the one in the main queue, as long as it is more than a tenth of the quota.
    #expect(evicted(10) == Array(10..<20))
    #expect(order.count == 11)
  }

  @Test mutating func whatLayThereBeforeGoesInItsOrderToo() {
    order.add(group(50), 1 << 20)
    order.restore((0..<10).map { (group($0), 1 << 20) })
    order.restore([(group(50), 1 << 19)])
    #expect(order.count == 11)
    #expect(evicted(10) == Array(0..<10))
  }

  @Test mutating func whatIsRecalledGoesAsItWouldHaveGone() {
    for number in 0..<80 { order.add(group(number), 1 << 20) }
    for round in 1...3 { for number in stride(from: 0, to: 80, by: 7 * round) { order.touch(group(number), 1) } }
    #expect(evicted(30).count == 30)
    for number in 100..<110 { order.add(group(number), 1 << 20) }
    var again = CacheOrder()
    again.add(group(105), 1 << 10)
    again.recall(order.entries.filter { $0.group != 105 } + order.entries.filter { $0.group == 105 })
    #expect(again.count == order.count)
    #expect(again.entries.filter(\.isMain) == order.entries.filter(\.isMain))
    again = CacheOrder()
    again.recall(order.entries)
    #expect(again.entries == order.entries)
    while let next = order.next(limit: Self.limit) { #expect(again.next(limit: Self.limit) == next) }
    #expect(again.next(limit: Self.limit) == nil)
  }

  @Test mutating func aVictimThatIsKeptComesAgain() {
    for number in 0..<20 { order.add(group(number), 1 << 20) }
    #expect(evicted(1) == [0])
    order.keep(group(0), 1 << 20)
    #expect(order.count == 20)
    #expect(Set(evicted(20)) == Set(0..<20))
  }

  @Test mutating func whatIsForgottenIsInNoQueue() {
    for number in 0..<10_000 {
      order.add(group(number), 1 << 20)
      order.forget(LogID(rawValue: 2), UInt64(max(0, number - 5))..<UInt64(max(0, number - 4)))
    }
    #expect(order.count == 5)
    #expect(order.queued <= 100)
    #expect(evicted(10) == Array(9995..<10_000))
    order.add(group(1), 1 << 20)
    order.forget([LogID(rawValue: 2)])
    #expect(order.count == 0 && order.next(limit: Self.limit) == nil)
  }

  /// Some 80 bytes for each group.
  @Test mutating func bookkeepingEndsWithWhatIsThere() {
    for round in 0..<50 {
      for number in 0..<1000 { order.add(group(round * 1000 + number), 1 << 20) }
      #expect(evicted(1000).count == 1000)
    }
    #expect(order.count == 0)
    #expect(order.remembered <= 1000)
  }
}
