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
}
