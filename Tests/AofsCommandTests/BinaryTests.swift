import Foundation
import Testing

/// What every command answers, and how.
@Suite struct BinaryTests {
  private let command = BuiltCommand()

  @Test func noArgumentsGetShortHelpOnStandardError() throws {
    let run = try command.run()
    #expect(run.code == 64)
    #expect(run.output.isEmpty)
    #expect(run.errors.hasPrefix("usage: aofs mount STORE MOUNTPOINT"))
  }

  @Test func helpAndVersionAreAnswers() throws {
    for arguments in [["--help"], ["help"], ["mount", "--help"], ["cat", "-h"], ["help", "verify"]] {
      let run = try command.run(arguments)
      #expect(run.code == 0)
      #expect(run.output.contains("USAGE: aofs"))
    }
    let run = try command.run(["--version"])
    #expect(run.code == 0)
    #expect(run.output.hasPrefix("aofs "))
  }

  @Test func theInternalOptionIsNotShown() throws {
    #expect(try !command.run(["mount", "--help"]).output.contains("ready-descriptor"))
  }

  @Test func badInputIsExplainedOnStandardError() throws {
    try command.withTemporaryDirectory { directory in
      let (file, store, place) = (directory + "/file", directory + "/store", directory + "/mnt")
      try Data("x".utf8).write(to: URL(fileURLWithPath: file))
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
      let cases: [([String], Int32, String)] = [
        (["frob"], 64, "frob"), (["seal", directory + "/none"], 66, "STORE:NAME"),
        (["mount", store, directory + "/none"], 66, "mkdir"),
        (["mount", store, file], 66, "not a directory"),
        (["mount", store, directory], 64, "in one another"),
        (["mount", place + "/s", place], 64, "in one another"),
        (["mount", store, place, "-o", "bogus"], 64, "bogus"),
        (["mount", "", place], 64, "store has an empty name"), (["mount", store, ""], 64, "empty name"),
        (["mount", store + "/a/b", place], 66, "mkdir -p"),
        (["mount", store, "/proc"], 75, "already mounted"),
        (["mount", store, place, "--chunk-size", "3"], 64, "power of two"),
        (["mount", store, place, "--remote", "ftp:x"], 64, "dir:PATH"),
        (["mount", store, place, "--stop-timeout", "x"], 64, "10s"),
        (["cat", store + ":a", "--follow"], 66, "STORE:NAME"), (["cat", "x", "--from", "y"], 64, "--from"),
      ]
      for (arguments, code, words) in cases {
        let run = try command.run(arguments)
        #expect(run.code == code, "\(arguments): \(run.errors)")
        #expect(run.errors.contains(words), "\(arguments): \(run.errors)")
        #expect(run.output.isEmpty, "\(arguments)")
      }
      try Data("x".utf8).write(to: URL(fileURLWithPath: place + "/in-the-way"))
      let run = try command.run(["mount", store, place])
      #expect(run.code == 73 && run.errors.contains("not empty"))
      #expect(!FileManager.default.fileExists(atPath: store))
    }
  }

  @Test func aStoreInAnOpenDirectoryIsReadByItsOwnerAlone() throws {
    try command.withTemporaryDirectory { directory in
      #expect(try command.run(["append", directory + ":a", "--create"], input: "x").code == 0)
      for name in try FileManager.default.subpathsOfDirectory(atPath: directory) {
        let facts = try FileManager.default.attributesOfItem(atPath: directory + "/" + name)
        #expect((facts[.posixPermissions] as? Int).map { $0 & 0o077 } == 0, "\(name)")
      }
    }
  }

  /// As the daemon of a mount that has just ended does.
  @Test func aStoreThatIsAboutToBeReleasedIsWaitedFor() throws {
    try command.withTemporaryDirectory { directory in
      let store = directory + "/store"
      #expect(try command.run(["create", store + ":a"]).code == 0)
      let holder = Process()
      holder.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
      holder.arguments = [store + "/lock", "sh", "-c", "echo held; sleep 1"]
      let output = Pipe()
      holder.standardOutput = output
      try holder.run()
      #expect(try output.fileHandleForReading.read(upToCount: 5) == Data("held\n".utf8))
      let list = try command.run(["ls", store])
      #expect(list.code == 0 && list.output.contains("a"), "\(list.errors)")
      holder.waitUntilExit()
    }
  }

  @Test func aStoreThatIsNotMountedServesEveryCommand() throws {
    try command.withTemporaryDirectory { directory in
      let log = directory + "/store:d/a.log"
      let text = (0..<40_000).map { "line \($0)\n" }.joined()
      #expect(try command.run(["append", log], input: "x").code == 66)
      #expect(try command.run(["create", log, "--chunk-size", "128KiB"]).code == 0)
      #expect(try command.run(["create", log]).code == 73)
      #expect(try command.run(["append", directory + "/store:.ctl/a", "--create"], input: "x").code == 77)
      let file = directory + "/input"
      try Data(text.utf8).write(to: URL(fileURLWithPath: file))
      #expect(try command.run(["append", log, file, "-"], input: "the end\n").code == 0)
      for arguments in [
        ["seal", log], ["checkpoint", directory + "/store"], ["evict", log], ["hydrate", log, "--to", "5"],
      ] {
        let run = try command.run(arguments)
        #expect(run.code == 0 && run.output.hasPrefix("d/a.log: "), "\(arguments): \(run.errors)")
      }
      #expect(
        try command.run(["cat", log, "--from", "131070", "--to", "131080"]).output
          == String(text.dropFirst(131_070).prefix(10)))
      #expect(try command.run(["cat", log, "--from", "\(text.utf8.count)"]).output == "the end\n")
      #expect(try command.run(["cat", log, "--from", "99999999"]).code == 64)
      #expect(try command.run(["cat", log, "--follow"]).code == 64)
      #expect(try command.run(["verify", log, "--remote", "--json"]).output.contains("\"ok\" : true"))
      #expect(try command.run(["status", log, "--json"]).output.contains("\"tail_lsn\" : \(text.utf8.count + 8)"))
      #expect(try command.run(["ls", directory + "/store"]).output.contains("d/a.log"))
      #expect(try command.run(["ls", directory + "/store:none"]).code == 66)
      let objects = try command.run(["objects", log]).output.split(separator: "\n")
      #expect(objects.count == (text.utf8.count + 8 + 131_071) / 131_072)
      #expect(try command.run(["seal", directory + "/store:nope"]).code == 66)
      #expect(try command.run(["ls", directory]).code == 64)
    }
  }
}
