import AOFCore
import Testing

@testable import AOFEngine

/// What is checkpointed when.
@Suite struct CheckpointScheduleTests {
  private let start = ContinuousClock.now
  private let id = LogID(rawValue: 2)
  private var schedule: CheckpointSchedule

  init() { schedule = CheckpointSchedule(CheckpointPolicy(), now: start) }

  private func news(_ bytes: UInt64, sealed: UInt64 = 0, isStale: Bool = false, isSound: Bool = true)
    -> [LogID: CheckpointSchedule.News]
  {
    [
      id: CheckpointSchedule.News(
        remote: .zero, sealed: LSN(rawValue: sealed), tail: LSN(rawValue: bytes), chunkSize: .minimum, isStale: isStale,
        isSound: isSound)
    ]
  }

  private mutating func due(_ news: [LogID: CheckpointSchedule.News], after seconds: Int) -> [Bool] {
    schedule.due(news, now: start + .seconds(seconds)).map(\.isSealed)
  }

  @Test mutating func muchNewsIsDueWithEachRound() {
    #expect(due(news(1 << 20), after: 59).isEmpty)
    #expect(due(news(1 << 20), after: 60) == [true])
    #expect(due(news(1 << 20), after: 119).isEmpty)
    #expect(due(news(1 << 20), after: 120) == [true])
  }

  @Test(arguments: [false, true]) mutating func littleNewsIsDueWhenItIsOld(isStale: Bool) {
    let little = news(isStale ? 0 : 1, isStale: isStale)
    for minute in 1...15 { #expect(due(little, after: 60 * minute).isEmpty, "seen first after \(minute) minutes") }
    #expect(due(little, after: 60 * 16) == [true])
    #expect(due(news(0), after: 60 * 17).isEmpty)
  }

  @Test mutating func newsThatTheRemoteTookMeanwhileIsYoungAgain() {
    #expect(due(news(1), after: 60).isEmpty)
    var later = news(2)
    later[id]?.remote = LSN(rawValue: 1)
    #expect(due(later, after: 60 * 15).isEmpty)
    #expect(due(later, after: 60 * 29).isEmpty)
    #expect(due(later, after: 60 * 30) == [true])
  }

  @Test mutating func aFullChunkIsDueAtOnceAndSealsNothing() {
    let size = ChunkSize.minimum.byteCount.rawValue
    #expect(due(news(size + 5, sealed: size - 1), after: 1).isEmpty)
    #expect(due(news(size + 5, sealed: size), after: 1) == [false])
  }

  @Test mutating func aFailedLogIsNotSealed() {
    #expect(due(news(2 << 20, sealed: 0, isSound: false), after: 60).isEmpty)
    #expect(due(news(2 << 20, sealed: 1, isSound: false), after: 120) == [false])
  }

  @Test mutating func aRemoteThatFailsIsLeftInPeaceLongerEachTime() {
    var time = start
    var pauses: [Duration] = []
    for attempt in 0..<9 {
      time = schedule.nextTime
      #expect(schedule.due(news(1 << 20), now: time).count == 1)
      #expect(schedule.didFail(now: time) == (attempt == 0))
      pauses.append(schedule.nextTime - time)
      #expect(schedule.due(news(1 << 20, sealed: ChunkSize.minimum.byteCount.rawValue), now: time + .seconds(1)).isEmpty)
    }
    #expect(pauses.prefix(3) == [.seconds(5), .seconds(10), .seconds(20)])
    #expect(pauses.last == .seconds(300))
    let succeeded = schedule.didSucceed()
    #expect(succeeded)
    let again = schedule.didSucceed()
    #expect(!again)
  }

  @Test mutating func aLogThatFailsKeepsNoOthers() {
    let other = LogID(rawValue: 3)
    var both = news(1 << 20)
    both[other] = both[id]
    func dueLogs(after seconds: Int) -> [LogID] { schedule.due(both, now: start + .seconds(seconds)).map(\.log) }
    #expect(dueLogs(after: 60) == [id, other])
    for failure in 0..<9 {
      let isFirst = schedule.didFail(id, now: start + .seconds(60))
      #expect(isFirst == (failure == 0))
    }
    #expect(dueLogs(after: 120) == [other])
    #expect(dueLogs(after: 360) == [id, other])
    schedule.didSucceed(id)
    #expect(dueLogs(after: 420) == [id, other])
    let isFirst = schedule.didFail(id, now: start + .seconds(420))
    #expect(isFirst)
  }
}
