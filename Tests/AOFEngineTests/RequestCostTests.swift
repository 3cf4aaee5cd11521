import AOFCore
import AOFManifest
import AOFRemote
import Foundation
import Testing

@testable import AOFEngine

/// The numbers of docs/S3.md, "What it costs".
@Suite struct RequestCostTests {
  /// A log that grows evenly, and what of it the remote has.
  private struct Growing {
    let bytesPerMinute: Double
    let firstMinute: Double
    var remote = 0

    func tail(_ minute: Int) -> Int { max(0, Int((Double(minute) - firstMinute) * bytesPerMinute)) }

    func news(_ minute: Int) -> CheckpointSchedule.News {
      let chunk = Int(ChunkSize.standard.byteCount.rawValue)
      // What fills a chunk is sealed at once.
      let sealed = max(remote, tail(minute) / chunk * chunk)
      return CheckpointSchedule.News(
        remote: LSN(rawValue: UInt64(remote)), sealed: LSN(rawValue: UInt64(sealed)),
        tail: LSN(rawValue: UInt64(tail(minute))), chunkSize: .standard)
    }
  }

  /// PUTs in so many minutes of the standard policy, with logs that make 1 GB a day in all and began one after the other
  /// within a quarter of an hour: objects, and elements of the chain.
  private func puts(logs count: Int, of all: Int, minutes: Range<Int>) -> (objects: Int, elements: Int) {
    let start = ContinuousClock.now
    var schedule = CheckpointSchedule(CheckpointPolicy(), now: start)
    var logs = (0..<count).map {
      Growing(bytesPerMinute: 1e9 / 1440 / Double(all), firstMinute: 15 * Double($0) / Double(count))
    }
    var (objects, elements) = (0, 0)
    for minute in 0..<minutes.upperBound {
      var news: [LogID: CheckpointSchedule.News] = [:]
      for (index, log) in logs.enumerated() { news[LogID(rawValue: UInt64(index))] = log.news(minute) }
      let due = schedule.due(news, now: start + .seconds(60 * minute))
      for log in due {
        let index = Int(log.log.rawValue)
        let end = log.isSealed ? logs[index].tail(minute) : Int(news[log.log]?.sealed.rawValue ?? 0)
        // One object for each chunk that the news touches; mergers take the place of the object that fills a chunk.
        let chunks = ChunkSize.standard.chunkID(for: LSN(rawValue: UInt64(max(end - 1, 0)))).rawValue
          - ChunkSize.standard.chunkID(for: LSN(rawValue: UInt64(logs[index].remote))).rawValue + 1
        if minutes.contains(minute) { objects += Int(chunks) }
        logs[index].remote = end
      }
      if minutes.contains(minute), !due.isEmpty { elements += 1 }
    }
    return (objects, elements)
  }

  @Test func aDayOfOneLog() {
    let day = puts(logs: 1, of: 1, minutes: 0..<1440)
    #expect(day == (731, 727), "\(day)")
  }

  @Test func aDayOfAHundredLogs() {
    let day = puts(logs: 100, of: 100, minutes: 0..<1440)
    #expect(day == (8900, 1335), "\(day)")
  }

  /// Each of them does the same, so a thousand are enough to count.
  @Test func anHourOfTenThousandLogs() {
    let hour = puts(logs: 1000, of: 10_000, minutes: 60..<120)
    #expect(hour == (3733, 56), "\(hour)")
  }

  /// A checkpoint of a whole store is one element of the chain, and asks the remote for nothing; a merger takes the place
  /// of an upload.
  @Test func requestsOfACheckpoint() throws {
    let store = TestStore(chunkSize: try ChunkSize(.kibibytes(256)))
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    let remote = FaultyRemote(try DirectoryStore(path: store.directory.path + "/remote", create: true))
    store.remote = remote
    for number in 0..<20 { try store.log("log-\(number)").append([1]) }
    try store.manager().checkpoint()
    func requests(_ body: () throws -> Void) throws -> FaultyRemote.Requests {
      remote.state.withLock { $0.requests = FaultyRemote.Requests() }
      try body()
      return remote.state.withLock { $0.requests }
    }
    for number in 0..<20 { try store.log("log-\(number)").append([2]) }
    #expect(try requests { try store.manager().checkpoint() } == FaultyRemote.Requests(uploads: 20, puts: 1))
    // Nothing new costs nothing.
    #expect(try requests { try store.manager().checkpoint() } == FaultyRemote.Requests())
    let log = try store.log("merged")
    let parts = try requests {
      for _ in 0..<4 {
        try log.append([UInt8](repeating: 7, count: 65_536))
        try log.checkpoint()
      }
    }
    #expect(parts == FaultyRemote.Requests(uploads: 4, puts: 4))
    #expect(try log.objects().count == 1)
  }
}
