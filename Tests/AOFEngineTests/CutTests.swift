import AOFCore
import AOFEngine
import AOFFormat
import AOFRemote
import Foundation
import Testing

/// Truncation of the tail.
@Suite struct CutTests {
  private func faulty() throws -> (TestStore, FaultyRemote) {
    let store = TestStore()
    let directory = store.directory.appendingPathComponent("remote")
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    let remote = FaultyRemote(try DirectoryStore(path: directory.path, create: true))
    store.remote = remote
    return (store, remote)
  }

  /// What the log holds before it is cut: in memory, in the chunk files, sealed, published, evicted.
  enum Place: CaseIterable { case appended, synced, sealed, published, evicted }

  private func prepare(_ log: Aof, _ place: Place) throws {
    switch place {
    case .appended: break
    case .synced: try log.sync()
    case .sealed: try log.sealTail()
    case .published: try log.checkpoint()
    case .evicted:
      try log.checkpoint()
      try log.evict()
    }
  }

  @Test(arguments: Place.allCases, [0, 1, 1000, 131_071, 131_072, 131_073, 262_144, 299_999, 300_000] as [LSN])
  func oldBytesNeverComeBack(_ place: Place, _ lsn: LSN) throws {
    let store = TestStore()
    let log = try store.log()
    var noise = Noise(seed: 31)
    let (old, new) = (noise.bytes(300_000), noise.bytes(150_000))
    try log.append(old)
    try prepare(log, place)
    #expect(try log.truncate(TruncationRequest(.tail, at: lsn)) == lsn)
    let isCut = lsn < 300_000
    #expect(log.generation == Generation(rawValue: isCut ? 1 : 0))
    #expect(log.watermarks.tail == lsn)
    let kept = Array(old[..<Int(lsn.rawValue)])
    #expect(try log.contents() == kept)
    // A killed daemon, before and after other bytes.
    let cut = try store.crashed()
    #expect(try cut.log().contents() == kept)
    #expect(try log.append(new) == lsn)
    #expect(try log.contents() == kept + new)
    let crashed = try store.crashed()
    #expect(try crashed.log().contents() == kept + new)
    #expect(try crashed.log().generation == log.generation)
    try log.checkpoint()
    try log.evict()
    #expect(try log.contents() == kept + new)
    #expect(try log.verify(remote: true).problems.isEmpty)
    #expect(try log.objects().map(\.range.lowerBound).first == 0)
    try store.close()
    #expect(try store.log().contents() == kept + new)
  }

  @Test func lsnsOutsideOfTheLogAreRefused() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([UInt8](repeating: 1, count: 10_000))
    try log.truncate(TruncationRequest(.head, at: 4096))
    for lsn in [0, 4095, 10_001, .max] as [LSN] {
      let error = #expect(throws: AofError.self) { try log.truncate(TruncationRequest(.tail, at: lsn)) }
      #expect(error?.code == .invalidArgument)
    }
    #expect(try log.truncate(TruncationRequest(.tail, at: 4096)) == 4096)
    #expect(try log.contents(from: 4096).isEmpty)
    #expect(try log.append([3]) == 4096)
  }

  @Test func headAndCutInOneExtent() throws {
    let (store, _) = try faulty()
    let log = try store.log()
    var noise = Noise(seed: 32)
    let bytes = noise.bytes(131_072)
    try log.append(bytes)
    try log.checkpoint()
    try log.evict()
    try log.truncate(TruncationRequest(.head, at: 50_000))
    try log.truncate(TruncationRequest(.tail, at: 60_000))
    let kept = Array(bytes[49_152..<60_000])
    #expect(try log.contents(from: 49_152) == kept)
    try store.close()
    let again = try store.log()
    #expect(try again.contents(from: 49_152) == kept)
    try again.checkpoint()
    try again.evict()
    #expect(try again.contents(from: 49_152) == kept)
    #expect(try again.verify(remote: true).problems.isEmpty)
  }

  @Test func whatStaysOfASplitExtentIsDurableBeforeItsObjectIsLetGo() throws {
    let (store, disk) = (TestStore(), FaultyDisk())
    store.environment = disk.environment
    let log = try store.log()
    var noise = Noise(seed: 33)
    let bytes = noise.bytes(100_000)
    try log.append(bytes)
    try log.checkpoint()
    try log.evict()
    // The chunk file is synced, so that what was evicted is gone from it for good.
    try log.append([1])
    try log.sealTail()
    try log.truncate(TruncationRequest(.tail, at: 70_000))
    let copy = TestStore()
    try FileManager.default.createDirectory(at: copy.directory, withIntermediateDirectories: true)
    try disk.powerCut(of: store.path, to: copy.path, keeping: .none)
    #expect(try copy.log().contents() == Array(bytes[..<70_000]))
  }

  /// What is on the disk is a hint until it was compared: copies of what the remote holds may have been lost with the power.
  @Test func damageBelowACutIsMendedBeforeTheObjectIsLetGo() throws {
    let store = TestStore(chunkSize: try ChunkSize(.mebibytes(4)))
    var noise = Noise(seed: 33)
    let bytes = noise.bytes(300_000)
    try store.log().append(bytes)
    try store.log().checkpoint()
    let id = try store.log().id
    try store.close()
    let path = store.path + "/chunks/" + FixedWidthNumber.hex(id.rawValue) + "/" + FixedWidthNumber.hex(0) + ".chunk"
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try file.seek(toOffset: 5000)
    try file.write(contentsOf: Data(repeating: 0, count: 100))
    try file.close()
    let log = try store.log()
    #expect(try log.truncate(TruncationRequest(.tail, at: 200_000)) == 200_000)
    try log.checkpoint()
    #expect(try log.contents() == Array(bytes[..<200_000]))
    #expect(try log.verify(remote: true).problems == [])
  }

  @Test func anEvictedRestMustComeBackFirst() throws {
    let (store, remote) = try faulty()
    let log = try store.log()
    let bytes = [UInt8](repeating: 5, count: 200_000)
    try log.append(bytes)
    try log.checkpoint()
    try log.evict()
    remote.state.withLock { $0.readFaults = [.fail(AofError(.remoteFailure, "away"))] }
    let error = #expect(throws: AofError.self) { try log.truncate(TruncationRequest(.tail, at: 150_000)) }
    #expect(error?.code == .remoteFailure)
    #expect(log.watermarks.tail == 200_000 && log.generation == .first)
    #expect(try log.contents() == bytes)
    // Where no extent is split the remote is not needed.
    remote.state.withLock { $0.readFaults = [.fail(AofError(.remoteFailure, "away"))] }
    #expect(try log.truncate(TruncationRequest(.tail, at: 131_072)) == 131_072)
  }

  @Test func cursorsBehindTheCutAreTold() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([UInt8](repeating: 1, count: 1000))
    var behind = try log.openCursor(at: 800)
    var at = try log.openCursor(at: 500)
    try log.truncate(TruncationRequest(.tail, at: 500))
    try log.append([UInt8](repeating: 2, count: 1000))
    var buffer = [UInt8](repeating: 0, count: 10)
    for _ in 0..<2 {
      let error = #expect(throws: AofError.self) {
        _ = try buffer.withUnsafeMutableBytes { try behind.read(into: $0) }
      }
      #expect(error?.code == .cutOff && error?.errno == ESTALE)
      #expect(behind.position == 800)
    }
    try behind.seek(800)
    #expect(try buffer.withUnsafeMutableBytes { try behind.read(into: $0) } == 10)
    #expect(try buffer.withUnsafeMutableBytes { try at.read(into: $0) } == 10)
    #expect(buffer == [UInt8](repeating: 2, count: 10))
    // Cut twice, the lower one first: a cursor between the two was cut off.
    var between = try log.openCursor(at: 700)
    try log.truncate(TruncationRequest(.tail, at: 600))
    try log.append([UInt8](repeating: 3, count: 1000))
    try log.truncate(TruncationRequest(.tail, at: 900))
    let error = #expect(throws: AofError.self) {
      _ = try buffer.withUnsafeMutableBytes { try between.read(into: $0) }
    }
    #expect(error?.code == .cutOff)
  }

  @Test func anOldHydrationWritesNothingIntoTheNewGeneration() throws {
    let (store, remote) = try faulty()
    let log = try store.log()
    var noise = Noise(seed: 34)
    let (old, new) = (noise.bytes(131_072), noise.bytes(131_072))
    try log.append(old)
    try log.checkpoint()
    try log.evict()
    // The request waits for a lease, and a download begins meanwhile.
    let holder = try HeldLease(log, chunk: 0)
    let request = TruncationRequest(.tail, at: 0)
    let outcome = Outcome(of: request, on: log)
    try outcome.waitUntilWaiting(request)
    remote.state.withLock { $0.isHanging = true }
    let reads = remote.state.withLock { $0.reads }
    let read = Reading(log, at: 0, count: 100)
    while remote.state.withLock({ $0.reads }) == reads { usleep(1000) }
    holder.letGo()
    #expect(try outcome.get() == 0)
    try log.append(new)
    remote.state.withLock { $0.isHanging = false }
    // It reads anew: the new bytes, from the point at which its generation began.
    #expect(try read.get() == Array(new[..<100]))
    #expect(try log.contents() == new)
    try log.sealTail()
    #expect(try log.verify().problems.isEmpty)
    #expect(try store.manager().incidents.isEmpty)
  }

  @Test func theWalLetsGoOfFramesThatWereCutOff() throws {
    let store = TestStore()
    let log = try store.log()
    let piece = [UInt8](repeating: 4, count: Limits.largestInlineAppend)
    for _ in 0...(2 * Limits.walSegmentSize / piece.count) { try log.append(piece) }
    try log.truncate(TruncationRequest(.tail, at: 100))
    try log.append([1])
    #expect(try store.segments().count > 1)
    // A checkpoint releases what nothing needs: one segment is enough for one byte.
    try store.manager().checkpoint()
    store.waitForMaintenance()
    #expect(try store.segments().count == 1)
    #expect(try log.contents() == [UInt8](repeating: 4, count: 100) + [1])
  }

  @Test func appendersGoOnWhileTheLogIsCut() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([UInt8](repeating: 0xFF, count: 200_000))
    DispatchQueue.concurrentPerform(iterations: 4) { thread in
      for round in 0..<60 {
        if thread == 0, round % 6 == 0 {
          #expect(throws: Never.self) { try log.truncate(TruncationRequest(.tail, at: 100)) }
        } else {
          #expect(throws: Never.self) { try log.append([UInt8](repeating: UInt8(thread), count: 5000)) }
        }
      }
    }
    let contents = try log.contents()
    // Whole appends follow each other; nothing of what was cut off is among them.
    #expect(contents.prefix(100).allSatisfy { $0 == 0xFF })
    let rest = Array(contents.dropFirst(100))
    #expect(rest.count % 5000 == 0)
    for start in stride(from: 0, to: rest.count, by: 5000) {
      #expect(rest[start] < 4 && rest[start..<(start + 5000)].allSatisfy { $0 == rest[start] })
    }
    let crashed = try store.crashed()
    #expect(try crashed.log().contents() == contents)
    #expect(log.generation == Generation(rawValue: 10))
  }
}
