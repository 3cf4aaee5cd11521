import Foundation
import Testing

/// `aofs verify`, `recover` and `upgrade`, as the one who is paged runs them.
@Suite struct RepairCommandTests {
  private let command = BuiltCommand()
  private let text = (0..<40_000).map { "line \($0)\n" }.joined()

  /// A store of one published log of three chunks.
  private func withStore(_ body: (String) throws -> Void) throws {
    try command.withTemporaryDirectory { directory in
      let log = directory + "/store:d/log"
      #expect(try command.run(["create", log, "--chunk-size", "128KiB"]).code == 0)
      let file = directory + "/input"
      try Data(text.utf8).write(to: URL(fileURLWithPath: file))
      #expect(try command.run(["append", log, file]).code == 0)
      #expect(try command.run(["checkpoint", log]).code == 0)
      try body(directory)
    }
  }

  private func chunkFiles(_ store: String) throws -> [URL] {
    try FileManager.default.subpathsOfDirectory(atPath: store).filter { $0.hasSuffix(".chunk") }.sorted()
      .map { URL(fileURLWithPath: store + "/" + $0) }
  }

  private func damage(_ file: URL) throws {
    let handle = try FileHandle(forUpdating: file)
    try handle.seek(toOffset: 100)
    try handle.write(contentsOf: Data([0xFF, 0, 0xFF]))
    try handle.close()
  }

  private func expectWhole(_ store: String) throws {
    // No more than a pipe holds.
    let run = try command.run(["cat", store + ":d/log", "--from", "\(text.utf8.count - 1000)"])
    #expect(run.code == 0 && run.output == String(text.suffix(1000)), "\(run.errors)")
    #expect(try command.run(["verify", store, "--remote"]).code == 0)
  }

  @Test func verifyFindsDamageAndRepairsItFromTheRemote() throws {
    try withStore { directory in
      let store = directory + "/store"
      let sound = try command.run(["verify", store, "--remote"])
      #expect(sound.code == 0, "\(sound.output)\(sound.errors)")
      try damage(#require(try chunkFiles(store).first))
      let found = try command.run(["verify", store])
      #expect(found.code == 74 && found.output.contains("d/log"), "\(found.output)")
      let json = try command.run(["verify", store, "--json"])
      #expect(json.code == 74 && json.output.contains("\"ok\" : false"))
      let repaired = try command.run(["verify", store, "--repair"])
      #expect(repaired.code == 0, "\(repaired.output)")
      #expect(try !FileManager.default.contentsOfDirectory(atPath: store + "/evidence").isEmpty)
      try expectWhole(store)
    }
  }

  @Test func damageThatNothingElseHoldsIsLeft() throws {
    try withStore { directory in
      let store = directory + "/store"
      try FileManager.default.removeItem(atPath: store + "/remote/chunks")
      try damage(#require(try chunkFiles(store).first))
      let before = try Data(contentsOf: #require(try chunkFiles(store).first))
      #expect(try command.run(["verify", store, "--repair"]).code == 74)
      #expect(try Data(contentsOf: #require(try chunkFiles(store).first)) == before)
    }
  }

  @Test func recoverMakesAStoreOfWhatIsLeft() throws {
    try withStore { directory in
      let store = directory + "/store"
      let sound = try command.run(["recover", store])
      #expect(sound.code == 0 && sound.output.contains("sound"))
      for name in try FileManager.default.contentsOfDirectory(atPath: store) where name.hasPrefix("manifest.sqlite") {
        try FileManager.default.removeItem(atPath: store + "/" + name)
      }
      let refused = try command.run(["ls", store])
      #expect(refused.code != 0 && refused.errors.contains("aofs recover"), "\(refused.errors)")
      let run = try command.run(["recover", store])
      #expect(run.code == 0 && run.output.contains("recovered 1 logs"), "\(run.output)\(run.errors)")
      try expectWhole(store)
    }
  }

  @Test func recoverMakesAStoreOfTheRemoteAlone() throws {
    try withStore { directory in
      let new = directory + "/new"
      let run = try command.run(["recover", new, "--remote", "dir:\(directory)/store/remote"])
      #expect(run.code == 0 && run.output.contains("d/log"), "\(run.errors)")
      try expectWhole(new)
      #expect(try command.run(["recover", directory + "/none"]).code == 66)
      let nothing = try command.run(["recover", directory + "/none", "--remote", "dir:\(directory)/nowhere"])
      #expect(nothing.code != 0 && nothing.errors.contains("nowhere"), "\(nothing.errors)")
    }
  }

  @Test func upgradeOfACurrentStoreSaysSo() throws {
    try withStore { directory in
      let run = try command.run(["upgrade", directory + "/store"])
      #expect(run.code == 0 && run.output.contains("current version"))
      #expect(try command.run(["upgrade", directory + "/none"]).code == 66)
    }
  }
}
