import AOFCore
import AOFFormat
import AOFSystem
import Foundation
import Testing

@testable import AOFRemote

@Suite struct RemoteManifestStoreTests {
  private let directory: TemporaryDirectory
  private let store: DirectoryStore

  init() throws {
    directory = try TemporaryDirectory()
    store = try DirectoryStore(path: directory.path, create: false)
  }

  private func record(_ sequence: UInt64, epoch: UInt64 = 1, nonce: UInt64 = 7, time: Int64 = 0)
    -> RemoteManifestRecord
  {
    RemoteManifestRecord(
      storeID: "s", sequence: sequence, epoch: epoch, writerNonce: nonce, kind: .delta,
      time: UnixTime(rawValue: time))
  }

  private func code(_ body: () throws -> Void) -> AofError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? AofError)?.code
    }
  }

  @Test func aRemoteBelongsToOneStore() throws {
    #expect(code { _ = try RemoteManifestStore(store, storeID: "s", create: false) } == .notAStore)
    _ = try RemoteManifestStore(store, storeID: "s", create: true)
    _ = try RemoteManifestStore(store, storeID: "s", create: true)
    _ = try RemoteManifestStore(store, storeID: "s", create: false)
    #expect(code { _ = try RemoteManifestStore(store, storeID: "t", create: true) } == .notAStore)
    #expect(try RemoteManifestStore.header(of: store)?.storeID == "s")
  }

  @Test func aNewerRemoteIsRefused() throws {
    try directory.write(Array(#"{"format":"aofs","store_id":"s","version":2}"#.utf8), to: "aofs.json")
    #expect(code { _ = try RemoteManifestStore(store, storeID: "s", create: true) } == .newerVersion)
    try directory.write(Array("{".utf8), to: "aofs.json")
    #expect(code { _ = try RemoteManifestStore(store, storeID: "s", create: true) } == .corrupt)
  }

  @Test func recordsAreAChain() throws {
    let chain = try RemoteManifestStore(store, storeID: "s", create: true)
    #expect(try chain.sequences(after: 0, limit: 10).isEmpty)
    for sequence: UInt64 in 1...12 { #expect(try chain.publish(record(sequence)) == .published) }
    #expect(try chain.sequences(after: 0, limit: 100) == Array(1...12))
    // Files of others do not end the list.
    for name in ["00000000000000000005.bak", "readme"] {
      _ = try [UInt8]().withUnsafeBytes { try store.put($0, as: RemoteKey("manifest/" + name), .always) }
    }
    #expect(try chain.sequences(after: 0, limit: 3) == [1, 2, 3])
    #expect(try chain.sequences(after: 3, limit: 3) == [4, 5, 6])
    #expect(try chain.sequences(after: 0, limit: 100) == Array(1...12))
    #expect(try chain.sequences(after: 9, limit: 2) == [10, 11])
    #expect(try chain.read(12) == record(12))
    #expect(try chain.read(13) == nil)
  }

  @Test func anEarlierTryIsToldFromAnotherWriter() throws {
    let chain = try RemoteManifestStore(store, storeID: "s", create: true)
    #expect(try chain.publish(record(1)) == .published)
    #expect(try chain.publish(record(1)) == .published)
    #expect(try chain.publish(record(1, time: 5)) == .taken(record(1)))
    #expect(try chain.publish(record(1, epoch: 2, nonce: 8)) == .taken(record(1)))
  }

  @Test func aRaceForASequenceHasOneWinner() throws {
    let chain = try RemoteManifestStore(store, storeID: "s", create: true)
    let outcomes = Lock<[RemoteManifestStore.Publication?]>([])
    let records = (0..<8).map { record(1, nonce: UInt64($0)) }
    DispatchQueue.concurrentPerform(iterations: 8) { index in
      let outcome = try? chain.publish(records[index])
      outcomes.withLock { $0.append(outcome) }
    }
    let winner = try #require(try chain.read(1))
    let all = outcomes.withLock { $0 }
    #expect(all.filter { $0 == .published }.count == 1)
    #expect(all.filter { $0 == .taken(winner) }.count == 7)
  }

  @Test func damagedRecordsAreErrors() throws {
    let chain = try RemoteManifestStore(store, storeID: "s", create: true)
    try directory.write(Array("{\"version\":1}".utf8), to: RemoteManifestRecord.key(sequence: 1))
    #expect(code { _ = try chain.read(1) } == .corrupt)
    #expect(code { _ = try chain.publish(record(1)) } == .corrupt)
    try directory.write(Array("{\"version\":2}".utf8), to: RemoteManifestRecord.key(sequence: 1))
    #expect(code { _ = try chain.publish(record(1)) } == .newerVersion)
  }

  /// The table of docs/format/remote-layout.md, with epoch 5 as ours.
  @Test(
    arguments: [
      (4, false, true, .adopt), (4, false, false, .adopt), (4, true, true, .adopt), (4, true, false, .adopt),
      (5, false, true, .adopt), (5, false, false, .introduceHigherEpoch), (5, true, true, .adopt),
      (5, true, false, .adopt), (6, false, true, .fenced), (6, false, false, .introduceHigherEpoch),
    ] as [(UInt64, Bool, Bool, RemoteManifestRecord.Conflict)])
  func conflictsAreDecided(
    otherEpoch: UInt64, sameNonce: Bool, ownsEpoch: Bool, expected: RemoteManifestRecord.Conflict
  ) {
    let other = record(1, epoch: otherEpoch, nonce: sameNonce ? 7 : 8)
    #expect(record(1, epoch: 5, nonce: 7).conflict(with: other, ownsEpoch: ownsEpoch) == expected)
  }

  private func log(_ id: UInt64, remote: UInt64) throws -> RemoteLogRecord {
    let now = UnixTime(rawValue: 1)
    return RemoteLogRecord(
      id: LogID(rawValue: id), path: try LogPath("log-\(id)"),
      attributes: RemoteNodeAttributes(
        mode: 0o640, userID: 0, groupID: 0, accessTime: now, modificationTime: now, changeTime: now),
      chunkSize: .minimum, generation: .first, headLSN: 0, remoteLSN: LSN(rawValue: remote))
  }

  /// A chain of 7 records, the 4th being a snapshot that knows log 9 alone.
  private func makeChain() throws -> RemoteManifestStore {
    let chain = try RemoteManifestStore(store, storeID: "s", create: true)
    for sequence in UInt64(1)...7 {
      var record = record(sequence, epoch: sequence)
      record.kind = sequence == 4 ? .snapshot : .delta
      record.logs = [try log(sequence == 4 ? 9 : sequence, remote: 0)]
      #expect(try chain.publish(record) == .published)
    }
    return chain
  }

  @Test func aChainIsReadFromItsNewestSnapshotOn() throws {
    let chain = try makeChain()
    let state = try chain.state()
    #expect(state.logs.keys.map(\.rawValue).sorted() == [5, 6, 7, 9])
    #expect(state.sequence == 7 && state.highestEpoch == 7)
    // Whatever became of the records before it.
    try FileManager.default.removeItem(atPath: directory.path + "/" + RemoteManifestRecord.key(sequence: 2))
    try directory.write([1], to: RemoteManifestRecord.key(sequence: 3))
    #expect(try chain.state() == state)
    let survey = try chain.survey()
    #expect(survey.recordsRead == 5)
    #expect(survey.problems.count == 2, "\(survey.problems)")
    #expect(survey.state == state)
  }

  @Test func aChainWithAHoleHasNoState() throws {
    let chain = try makeChain()
    #expect(try chain.survey().problems.isEmpty)
    try FileManager.default.removeItem(atPath: directory.path + "/" + RemoteManifestRecord.key(sequence: 6))
    #expect(code { _ = try chain.state() } == .corrupt)
    #expect(try chain.survey().problems.count == 1)
  }

  @Test func anEmptyChainIsAState() throws {
    let chain = try RemoteManifestStore(store, storeID: "s", create: true)
    #expect(try chain.state() == RemoteManifestState())
    #expect(try chain.survey().problems.isEmpty)
  }

  @Test func aStoreThatIsReadStaysAsItIs() throws {
    _ = try makeChain()
    try directory.write([1], to: ".tmp/left")
    let names = { try FileManager.default.subpathsOfDirectory(atPath: directory.path).sorted() }
    let before = try names()
    let reading = try DirectoryStore(reading: directory.path)
    #expect(try RemoteManifestStore(reading, storeID: "s", create: false).state().sequence == 7)
    #expect(code { _ = try reading.beginUpload(RemoteKey("x")) } != nil)
    #expect(try names() == before)
    #expect(code { _ = try DirectoryStore(reading: directory.path + "/none") } == .notFound)
  }
}
