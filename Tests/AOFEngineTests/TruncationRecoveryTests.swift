import AOFCore
import AOFEngine
import Foundation
import Testing

/// Logs that were trimmed and cut, and whose manifest was lost.
@Suite struct TruncationRecoveryTests {
  private let store = TestStore()
  private let old: [UInt8]
  private let new: [UInt8]

  private static let head = 40_960
  private static let cut = 200_001

  /// Published, then trimmed and cut, and other bytes appended.
  init() throws {
    var noise = Noise(seed: 51)
    old = noise.bytes(400_000)
    new = noise.bytes(150_000)
    let log = try store.log()
    try log.append(old)
    try log.checkpoint()
    try log.truncate(TruncationRequest(.head, at: LSN(rawValue: UInt64(Self.head))))
    try log.truncate(TruncationRequest(.tail, at: LSN(rawValue: UInt64(Self.cut))))
    try log.append(new)
    try log.sync()
  }

  private var expected: [UInt8] { Array(old[Self.head..<Self.cut]) + new }

  private func check(_ store: TestStore) throws {
    let log = try store.log()
    #expect(log.watermarks.head == LSN(rawValue: UInt64(Self.head)))
    #expect(try log.contents(from: log.watermarks.head) == expected)
    #expect(try log.verify(remote: true).problems.isEmpty)
    try log.append([1])
    try log.checkpoint()
    try log.evict()
    #expect(try log.contents(from: log.watermarks.head) == expected + [1])
    try store.close()
  }

  @Test func theRemoteAloneHasTheLogAsItIsNow() throws {
    try store.log().checkpoint()
    try store.close()
    let fresh = TestStore()
    var options = RecoverOptions()
    options.remote = "dir:" + store.path + "/remote"
    try FileManager.default.createDirectory(at: fresh.directory, withIntermediateDirectories: true)
    let report = try AofManager.recover(fresh.path, options)
    #expect(report.logs.map(\.tail) == [LSN(rawValue: UInt64(Self.cut + new.count))])
    try check(fresh)
  }

  @Test func aStoreWhoseManifestIsLostFindsItsLogAgain() throws {
    try store.log().checkpoint()
    try store.close()
    for suffix in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(at: store.file("manifest.sqlite" + suffix))
    }
    _ = try AofManager.recover(store.path)
    try check(store)
  }

  @Test func aSoundStoreThatWasTruncatedVerifies() throws {
    for _ in 0..<2 {
      try store.close()
      var options = VerifyOptions()
      options.remote = true
      let report = try AofManager.verify(store.path, options)
      #expect(report.isGood, "\(report.problems) \(report.logs)")
      try store.log().checkpoint()
    }
    try check(store)
  }
}
