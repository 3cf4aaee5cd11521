import AOFCore
import AOFRemote
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// What is fetched ahead, what it takes of the memory, and what becomes of bytes that have no room on the disk.
@Suite(.timeLimit(.minutes(5))) struct PrefetchTests {
  private static let size = 6 << 20

  private func make(
    cache: ByteCount? = nil, _ noise: inout Noise
  ) throws -> (TestStore, FaultyRemote, Aof, [UInt8]) {
    let store = TestStore(chunkSize: try ChunkSize(.mebibytes(1)), inMemory: true)
    store.options.cacheSize = cache
    store.options.prefetchMemory = .mebibytes(4)
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    let remote = FaultyRemote(try DirectoryStore(path: store.directory.path + "/remote", create: true))
    store.remote = remote
    let log = try store.log()
    var bytes: [UInt8] = []
    for _ in 0..<(Self.size >> 19) {
      let more = noise.bytes(1 << 19)
      try log.append(more)
      bytes += more
      if cache != nil { try log.checkpoint() }
    }
    try log.checkpoint()
    try log.evict()
    return (store, remote, log, bytes)
  }

  private func memory(_ store: TestStore) throws -> (used: Int, peak: Int, budget: Int) {
    try store.manager().services.hydrator.memory
  }

  @Test func aReaderInOrderWaitsForFewAndARandomOneForOne() throws {
    var noise = Noise(seed: 21)
    let (store, remote, log, bytes) = try make(&noise)
    remote.state.withLock { $0.reads = 0 }
    #expect(try log.bytes(at: 3_000_000, count: 4096) == Array(bytes[3_000_000..<3_004_096]))
    store.waitForDownloads()
    #expect(remote.state.withLock { $0.reads } == 1)
    #expect(try log.coldBytes(in: nil) == bytes.count - Limits.frameSize)
    try log.evict()
    remote.state.withLock { state in
      state.reads = 0
      // The reader is to wait for it, whatever else the machine does.
      state.readTime = 5000
    }
    #expect(try log.contents(bufferSize: 65_536) == bytes)
    store.waitForDownloads()
    let measures = try store.manager().measure()
    #expect(measures.ahead.fetched > UInt64(bytes.count / 2))
    // A frame that is read from memory while it is being written may go uncounted.
    #expect(measures.ahead.used <= measures.ahead.fetched)
    #expect(measures.ahead.used + UInt64(8 * Limits.frameSize) >= measures.ahead.fetched)
    #expect(measures.ahead.wasted == 0)
    #expect(remote.state.withLock { $0.reads } < bytes.count / Limits.frameSize, "adjacent frames come together")
    #expect(try log.coldBytes(in: nil) == 0)
    #expect(try memory(store).used == 0)
  }

  @Test func theMemoryIsKeptWhateverTheNumberOfReaders() throws {
    var noise = Noise(seed: 22)
    let (store, _, log, bytes) = try make(&noise)
    DispatchQueue.concurrentPerform(iterations: 16) { index in
      let start = index * 300_000
      #expect((try? log.contents(from: LSN(rawValue: UInt64(start)), bufferSize: 1 << 20)) == Array(bytes[start...]))
    }
    store.waitForDownloads()
    let memory = try memory(store)
    #expect(memory.peak > 1 << 20)
    #expect(memory.peak <= memory.budget)
    #expect(memory.used == 0)
  }

  @Test func whoGoesTakesItsReadAheadAlong() throws {
    var noise = Noise(seed: 23)
    let (store, remote, log, bytes) = try make(&noise)
    remote.state.withLock { $0.isHanging = true }
    do {
      // As if it had read: the reads themselves would wait.
      let reader = LogReader(log)
      for index in 0..<6 {
        let start = LSN(rawValue: UInt64(index * Limits.frameSize))
        reader.didRead(start..<(start + Limits.frameSize), waited: true)
      }
      while remote.state.withLock({ $0.reads }) == 0 { usleep(1000) }
      #expect(try memory(store).used > 0)
    }
    remote.state.withLock { $0.isHanging = false }
    store.waitForDownloads()
    #expect(try log.coldBytes(in: nil) == bytes.count, "what was under way is thrown away")
    #expect(try memory(store).used == 0)
    #expect(try store.manager().measure().ahead.fetched == 0)
  }

  @Test func whatIsFetchedAheadIsUsedOrWasted() throws {
    var noise = Noise(seed: 25)
    let (store, _, log, bytes) = try make(&noise)
    var cursor = try log.openCursor()
    var buffer = [UInt8](repeating: 0, count: 128 << 10)
    for _ in 0..<9 { _ = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) } }
    store.waitForDownloads()
    for _ in 0..<2 { _ = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) } }
    store.waitForDownloads()
    _ = consume cursor
    #expect(try log.coldBytes(in: nil) < bytes.count - 11 * Limits.frameSize)
    try log.evict()
    let ahead = try store.manager().measure().ahead
    #expect(ahead.used > 0)
    #expect(ahead.wasted > 0)
    #expect(ahead.used + ahead.wasted <= ahead.fetched)
    #expect(ahead.used + ahead.wasted + UInt64(4 * Limits.frameSize) >= ahead.fetched)
  }

  /// The quota is full of what the remote lacks: nothing may go for what comes back.
  @Test func whatHasNoRoomIsServedFromMemory() throws {
    var noise = Noise(seed: 24)
    let (store, remote, log, bytes) = try make(cache: .mebibytes(8), &noise)
    remote.state.withLock { $0.putFault = AofError(.remoteFailure, "away") }
    let other = try store.log("other")
    #expect(throws: AofError.self) {
      while true { try other.append(noise.bytes(64 << 10)); try other.sealTail() }
    }
    let usage = try store.manager().services.cache
    #expect(usage.isFull)
    #expect(try log.contents(bufferSize: 1 << 20) == bytes)
    #expect(try log.contents(bufferSize: 50_000) == bytes)
    DispatchQueue.concurrentPerform(iterations: 8) { _ in #expect((try? log.contents()) == bytes) }
    // What rests in memory keeps no read waiting that needs it, and more.
    for _ in 0..<200 {
      let start = noise.below(bytes.count)
      let count = min(noise.below(4 << 20), bytes.count - start)
      #expect(try log.bytes(at: LSN(rawValue: UInt64(start)), count: count) == Array(bytes[start..<(start + count)]))
    }
    store.waitForDownloads()
    #expect(usage.total <= 8 << 20)
    let memory = try memory(store)
    #expect(memory.peak <= memory.budget)
    #expect(#expect(throws: AofError.self) { try log.hydrate() }?.code == .quotaExceeded)
    remote.state.withLock { $0.putFault = nil }
    try other.checkpoint()
    store.waitForMaintenance()
    #expect(try log.hydrate(0..<500_000).rawValue > 0)
    #expect(try log.coldBytes(in: 0..<500_000) == 0)
  }

  @Test func aBudgetThatHoldsNoRequestIsRefused() throws {
    let store = TestStore(inMemory: true)
    store.options.prefetchMemory = .mebibytes(3)
    #expect(#expect(throws: AofError.self) { try store.manager() }?.code == .invalidArgument)
  }
}
