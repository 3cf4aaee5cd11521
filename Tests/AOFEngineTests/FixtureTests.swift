import AOFCore
import AOFEngine
import Foundation
import Testing

/// A store that version 1 wrote, and that every later version must open: `Tests/Fixtures/store-v1`.
///
/// `AOFS_WRITE_FIXTURE=1 swift test --filter FixtureTests` writes it anew, with this very code; that is for a change of
/// what version 1 is, before it is released, and for nothing else.
@Suite struct FixtureTests {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/store-v1")
  private static var archive: URL { folder.appendingPathComponent("store.tar.zst") }

  /// Lines of text, so that the archive is small and still tells one byte from the next.
  private static func content(_ seed: Int, lines: Int) -> [UInt8] {
    Array((0..<lines).map { "log \(seed), line \($0), \(($0 &* 2_654_435_761 &+ seed) % 1_000_003)\n" }.joined().utf8)
  }

  /// Published and evicted; published, then sealed; with a tail in the WAL alone.
  private static let contents: [(path: String, parts: [[UInt8]])] = [
    ("evicted", [content(1, lines: 6000)]),
    ("d/sealed", [content(2, lines: 5000), content(3, lines: 2000)]),
    ("d/e/tail", [content(4, lines: 500), content(5, lines: 3000), content(6, lines: 3)]),
  ]

  private func tar(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["tar"] + arguments
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "tar \(arguments)")
  }

  @Test(.enabled(if: ProcessInfo.processInfo.environment["AOFS_WRITE_FIXTURE"] == "1"))
  func write() throws {
    let store = TestStore()
    for (path, parts) in Self.contents {
      let log = try store.log(path)
      for (index, part) in parts.enumerated() {
        for start in stride(from: 0, to: part.count, by: 50_000) {
          try log.append(Array(part[start..<min(part.count, start + 50_000)]))
        }
        if index == 0 { try log.checkpoint() } else if path == "d/sealed" { try log.sealTail() }
      }
      if path == "evicted" { try log.evict() } else { try log.sync() }
    }
    // One append of more than a buffer holds, whatever way that takes through the WAL.
    let large = try store.log("large")
    try large.append(Self.content(7, lines: 8000))
    try large.sync()
    let copy = try store.crashed()
    try FileManager.default.createDirectory(at: Self.folder, withIntermediateDirectories: true)
    try tar(["--sparse", "--zstd", "--owner=0", "--group=0", "-C", copy.directory.path, "-cf", Self.archive.path, "store"])
    let size = try Data(contentsOf: Self.archive).count
    #expect(size < 300 << 10, "\(size) bytes")
  }

  private func unpacked() throws -> TestStore {
    let store = TestStore()
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    try tar(["--zstd", "-C", store.directory.path, "-xf", Self.archive.path])
    return store
  }

  @Test(.disabled(if: ProcessInfo.processInfo.environment["AOFS_WRITE_FIXTURE"] == "1"))
  func aStoreOfVersion1Opens() throws {
    let store = try unpacked()
    var options = VerifyOptions()
    options.remote = true
    let report = try AofManager.verify(store.path, options)
    #expect(report.isGood, "\(report.problems) \(report.logs)")
    for (path, parts) in Self.contents {
      #expect(try store.log(path).contents() == parts.flatMap { $0 }, "\(path)")
    }
    #expect(try store.log("large").contents() == Self.content(7, lines: 8000))
    #expect(try store.manager().incidents.isEmpty)
    try store.log("d/e/tail").append([1])
    try store.manager().checkpoint()
    try store.close()
    #expect(try AofManager.verify(store.path, options).isGood)
    #expect(try AofManager.upgrade(store.path).backup == nil)
  }

  /// Its remote alone makes the store anew.
  @Test(.disabled(if: ProcessInfo.processInfo.environment["AOFS_WRITE_FIXTURE"] == "1"))
  func aRemoteOfVersion1IsRead() throws {
    let store = try unpacked()
    let fresh = TestStore()
    try FileManager.default.createDirectory(at: fresh.directory, withIntermediateDirectories: true)
    var options = RecoverOptions()
    options.remote = "dir:" + store.path + "/remote"
    _ = try AofManager.recover(fresh.path, options)
    for (path, parts) in Self.contents { #expect(try fresh.log(path).contents() == parts[0], "\(path)") }
  }
}
