import AOFCore
import AOFFormat
import AOFRemote
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// The chunk files stay within the quota, and what leaves is what was not used for longest.
@Suite struct CacheQuotaTests {
  private static let chunk = 128 << 10
  private let store = TestStore(inMemory: true)
  private var noise = Noise(seed: 77)

  init() { store.options.cacheSize = .mebibytes(2) }

  private func usage() throws -> CacheUsage { try store.manager().services.cache }

  private func residency(_ log: Aof) throws -> [ChunkResidency] { try log.extents().map(\.residency) }

  /// A log that is kept short by trims never meets the quota, and is not to take ever more memory.
  @Test mutating func whatIsForgottenLeavesTheOrderOfEviction() throws {
    let log = try store.log()
    for part in 1...20 {
      try log.append(noise.bytes(Self.chunk))
      try log.checkpoint()
      try log.truncate(TruncationRequest(.head, at: LSN(rawValue: UInt64(part * Self.chunk))))
    }
    let order = try store.manager().services.cacheOrder
    #expect(order.withLock { $0.count } == 0)
    try log.append(noise.bytes(3 * Self.chunk))
    try log.checkpoint()
    #expect(order.withLock { $0.count } == 3)
    try log.truncate(TruncationRequest(.tail, at: LSN(rawValue: UInt64(21 * Self.chunk))))
    #expect(order.withLock { $0.count } == 1)
    try log.evict()
    #expect(order.withLock { $0.count } == 0)
  }

  /// Each frame that comes back to a full cache asks for room: a daemon does that for months.
  @Test func roomIsMadeAsOftenAsItIsAskedFor() throws {
    let evictor = try store.manager().services.evictor
    for _ in 0..<200_000 { try evictor.makeRoom(downTo: 1 << 20) }
  }

  @Test mutating func whatTheRemoteHoldsGoesWhenTheQuotaIsTight() throws {
    let log = try store.log()
    var bytes: [UInt8] = []
    for _ in 0..<32 {
      let more = noise.bytes(Self.chunk)
      try log.append(more)
      bytes += more
      try log.checkpoint()
      store.waitForMaintenance()
      #expect(try usage().total <= 2 << 20)
    }
    #expect(try residency(log).contains(.evicted))
    #expect(try residency(log).last == .resident)
    // Reading everything brings it back piece by piece.
    #expect(try log.contents() == bytes)
    #expect(try usage().total <= 2 << 20)
    #expect(try log.verify().problems.isEmpty)
  }

  /// A killed process writes nothing down; its copies must not take the quota for ever.
  @Test mutating func copiesThatAKilledProcessHadFetchedMakeRoom() throws {
    let log = try store.log()
    let bytes = noise.bytes(14 * Self.chunk)
    try log.append(bytes)
    try log.checkpoint()
    try log.evict()
    try store.close()
    #expect(try store.log().contents() == bytes)
    store.waitForDownloads()
    #expect(try usage().total > 1 << 20)
    store.abandon()
    // Nothing of what comes now can leave the disk.
    let again = try store.log()
    let more = noise.bytes(8 * Self.chunk)
    for start in stride(from: 0, to: more.count, by: Self.chunk) {
      try again.append(Array(more[start..<(start + Self.chunk)]))
      try again.sealTail()
    }
    store.waitForMaintenance()
    #expect(try usage().total <= 2 << 20)
    #expect(try again.contents() == bytes + more)
  }

  @Test mutating func anEvictionTakesWhatAKilledProcessHadFetched() throws {
    let log = try store.log()
    try log.append(noise.bytes(8 * Self.chunk))
    try log.checkpoint()
    try log.evict()
    try store.close()
    try store.log().hydrate()
    store.abandon()
    let again = try store.log()
    #expect(try usage().total >= 8 * Self.chunk)
    try again.evict()
    #expect(try usage().total < Self.chunk)
  }

  @Test mutating func whatTheRemoteLacksIsNeverEvictedAndAppendsAreRefused() throws {
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    let remote = FaultyRemote(try DirectoryStore(path: store.directory.path + "/remote", create: true))
    store.remote = remote
    let log = try store.log()
    try log.append([1])
    remote.state.withLock { $0.putFault = AofError(.remoteFailure, "away") }
    var bytes: [UInt8] = [1]
    var refusal: AofError?
    while refusal == nil, bytes.count < 4 << 20 {
      let more = noise.bytes(Self.chunk)
      do {
        try log.append(more)
        bytes += more
        try log.sealTail()
      } catch { refusal = error }
    }
    #expect(refusal?.code == .quotaExceeded)
    #expect(refusal?.remedy.contains("remote") == true)
    #expect(try usage().total <= 2 << 20)
    #expect(try log.contents() == bytes)
    // Other logs of the store are no better off, and lose nothing.
    let other = try store.log("other")
    #expect(#expect(throws: AofError.self) { try other.append([1]) }?.code == .quotaExceeded)
    remote.state.withLock { $0.putFault = nil }
    try log.checkpoint()
    try other.append([2])
    try log.append([3])
    #expect(try log.contents() == bytes + [3])
  }

  @Test mutating func whatIsReadAgainStaysAndTheOldestGoesFirst() throws {
    let log = try store.log()
    for _ in 0..<8 { try log.append(noise.bytes(Self.chunk)) }
    try log.checkpoint()
    for _ in 0..<2 { _ = try log.bytes(at: 0, count: 10) }
    try store.manager().services.evictor.makeRoom(downTo: 3 * Self.chunk)
    let resident = try residency(log).map { $0 == .resident }
    #expect(resident.first == true, "it was read twice")
    #expect(resident[1...5].allSatisfy { !$0 })
    #expect(resident.count { $0 } == 3)
  }

  /// A pass through a log larger than the cache, beside a warm set that is read again and again.
  @Test mutating func oneLongPassLeavesWhatIsReadAgainAndAgain() throws {
    store.options.chunkSize = try ChunkSize(.mebibytes(1))
    store.options.cacheSize = .mebibytes(16)
    let warm = try store.log("warm")
    try warm.append(noise.bytes(3 << 20))
    let long = try store.log("long")
    for _ in 0..<40 {
      try long.append(noise.bytes(1 << 20))
      try long.checkpoint()
    }
    try store.manager().checkpoint()
    store.waitForMaintenance()
    func readWarm() throws {
      for index in 0..<24 { _ = try warm.bytes(at: LSN(rawValue: UInt64(index * Self.chunk)), count: 100) }
    }
    for _ in 0..<4 { try readWarm() }
    store.waitForDownloads()
    #expect(try warm.coldBytes(in: nil) == 0)
    _ = try long.contents()
    store.waitForDownloads()
    store.waitForMaintenance()
    #expect(try warm.coldBytes(in: nil) <= Self.chunk * 2, "at most what a tenth of the quota was made of")
    #expect(try long.coldBytes(in: nil) > 20 << 20)
    #expect(try usage().total <= 16 << 20)
  }

  /// Whether the first chunk of a log, which was read twice, outlives the second, which was sealed after it, when the store is
  /// opened once more. `between` has the store while it is closed.
  private mutating func firstOutlivesRestart(_ between: (TestStore) throws -> Void) throws -> Bool {
    let log = try store.log()
    for _ in 0..<8 { try log.append(noise.bytes(Self.chunk)) }
    try log.checkpoint()
    for _ in 0..<2 { _ = try log.bytes(at: 0, count: 10) }
    try store.close()
    try between(store)
    try store.manager().services.evictor.makeRoom(downTo: 3 * Self.chunk)
    let resident = try residency(store.log()).map { $0 == .resident }
    #expect(resident.count { $0 } == 3)
    return resident[0] && !resident[1]
  }

  /// What leaves memory is known by the manifest alone, which does not know who read what.
  @Test mutating func whatIsReadAgainStaysThoughItsChunkLeftMemory() throws {
    let log = try store.log()
    for _ in 0..<8 { try log.append(noise.bytes(Self.chunk)) }
    try log.checkpoint()
    for _ in 0..<2 { _ = try log.bytes(at: 0, count: 10) }
    log.chunks.unload(downTo: 0)
    #expect(log.chunks.loaded.isEmpty)
    try store.manager().services.evictor.makeRoom(downTo: 3 * Self.chunk)
    #expect(try residency(log).first == .resident)
  }

  @Test mutating func aRestartRemembersWhatWasRead() throws {
    #expect(try firstOutlivesRestart { _ in })
    #expect(try store.manager().services.observation.incidents.isEmpty)
  }

  @Test mutating func whatWasReadIsForgottenWithItsFile() throws {
    #expect(try !firstOutlivesRestart { store in try FileManager.default.removeItem(at: store.file("cache-order")) })
    #expect(try store.manager().services.observation.incidents.isEmpty)
  }

  @Test(arguments: [0, 8, 16, 30, -1]) mutating func aDamagedOrderIsNone(at offset: Int) throws {
    #expect(
      try !firstOutlivesRestart { store in
        let file = store.file("cache-order")
        var bytes = try Data(contentsOf: file)
        bytes[offset < 0 ? bytes.count - 1 : offset] ^= 0x40
        try bytes.write(to: file)
      })
    let incidents = try store.manager().services.observation.incidents
    #expect(incidents.count == 1 && incidents.first?.message.contains("cache-order") == true)
    try store.close()
    #expect(try store.manager().services.observation.incidents.isEmpty, "it was written anew")
  }

  /// An order of another time names logs and groups that are not there.
  @Test mutating func anOrderOfWhatIsNotThereDoesNoHarm() throws {
    #expect(
      try !firstOutlivesRestart { store in
        let entries = [(2, 1 << 62), (2, 40), (99, 0), (1, 7)].map { log, group in
          CacheOrderFile.Entry(log: LogID(rawValue: log), group: group, byteCount: .max, isMain: group == 40, reads: 3, framesRead: 0xff)
        }
        try Data(CacheOrderFile(entries).encoded { CRC32C.checksum($0) }).write(to: store.file("cache-order"))
      })
    #expect(try store.log().contents().count == 8 * Self.chunk)
  }

  @Test(arguments: [false, true]) mutating func oneFrameThatIsReadKeepsNoneBesideIt(afterRestart: Bool) throws {
    store.options.chunkSize = try ChunkSize(.mebibytes(1))
    store.options.cacheSize = .mebibytes(8)
    var log = try store.log()
    try log.append(noise.bytes(4 << 20))
    try log.checkpoint()
    for _ in 0..<3 { for chunk in 0..<4 { _ = try log.bytes(at: LSN(rawValue: UInt64(chunk << 20 + 300_000)), count: 10) } }
    if afterRestart { try store.close() }
    log = try store.log()
    // The files have some blocks more than their frames.
    try store.manager().services.evictor.makeRoom(downTo: 5 * Self.chunk)
    #expect(try log.coldBytes(in: nil) == 28 * Self.chunk)
    #expect(try log.bytes(at: 300_000, count: 10).count == 10)
    #expect(try residency(log).allSatisfy { $0 == .partial })
  }

  @Test mutating func aRestartKnowsWhatIsThereAndEvictsIt() throws {
    let log = try store.log()
    for _ in 0..<8 { try log.append(noise.bytes(Self.chunk)) }
    try log.checkpoint()
    let total = try usage().total
    #expect(total >= 8 * Self.chunk)
    try store.close()
    store.options.cacheSize = .mebibytes(1)
    _ = try store.manager()
    store.waitForMaintenance()
    store.waitForMaintenance()
    #expect(try usage().total <= (1 << 20) / 4 * 3)
    #expect(try store.log().contents().count == 8 * Self.chunk)
    #expect(try usage().total <= 1 << 20)
  }

  @Test mutating func holesAreFreeAndPurgedLogsToo() throws {
    let log = try store.log()
    for _ in 0..<8 { try log.append(noise.bytes(Self.chunk)) }
    try log.checkpoint()
    try log.truncate(TruncationRequest(.head, at: LSN(rawValue: UInt64(4 * Self.chunk))))
    #expect(try usage().total <= 4 * Self.chunk + 8192)
    try log.truncate(TruncationRequest(.tail, at: LSN(rawValue: UInt64(5 * Self.chunk))))
    #expect(try usage().total <= Self.chunk + 8192)
  }
}
