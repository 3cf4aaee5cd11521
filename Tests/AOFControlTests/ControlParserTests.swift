import AOFCore
import Testing

@testable import AOFControl

private func parse(_ text: String, _ scope: ControlScope = .store) throws(AofError) -> [ControlCommand] {
  try ControlParser.commands(Array(text.utf8), scope: scope)
}

private func target(_ name: String) throws -> ControlCommand.Target { .log(try LogPath(name)) }

/// What the parser says of a text that it must refuse as EINVAL.
private func refusal(_ text: String, _ scope: ControlScope = .store) throws -> AofError {
  let error = try #require(throws: AofError.self) { try parse(text, scope) }
  #expect(error.code == .invalidArgument)
  #expect(!error.message.isEmpty && !error.remedy.isEmpty)
  return error
}

@Suite struct ControlParserTests {
  @Test func everyVerbIsUnderstood() throws {
    let log = try target("a/b.log")
    let path = try LogPath("a/b.log")
    let expected: [(String, ControlCommand)] = [
      ("help", .help), ("seal", .seal(.unnamed)), ("seal a/b.log", .seal(log)),
      ("checkpoint", .checkpoint(.unnamed)), ("checkpoint a/b.log", .checkpoint(log)),
      ("create a/b.log\n", .create(path, chunkSize: nil)),
      ("create a/b.log chunk_size=128KiB\n", .create(path, chunkSize: .minimum)),
      ("create chunk_size=64M a/b.log\n", .create(path, chunkSize: .standard)),
      ("evict", .evict(.unnamed)), ("evict a/b.log", .evict(log)), ("hydrate", .hydrate(.unnamed, nil)),
      ("hydrate a/b.log", .hydrate(log, nil)), ("hydrate a/b.log 0-131072", .hydrate(log, 0..<131_072)),
      ("hydrate a/b.log 7-7", .hydrate(log, 7..<7)),
      ("verify", .verify(.unnamed, remote: false, format: .text)),
      ("verify a/b.log remote=yes format=json", .verify(log, remote: true, format: .json)),
      ("verify remote=no format=text", .verify(.unnamed, remote: false, format: .text)),
      ("objects a/b.log", .objects(log)), ("status", .status(.unnamed)), ("status a/b.log", .status(log)),
      ("trim a/b.log 42\n", .trim(log, 42, timeout: nil)), ("truncate a/b.log 0\n", .truncate(log, 0, timeout: nil)),
      ("trim a/b.log 42 timeout=0\n", .trim(log, 42, timeout: .zero)),
      ("truncate timeout=86400 a/b.log 7\n", .truncate(log, 7, timeout: .seconds(86_400))),
      ("trash", .trash(format: .text)), ("trash format=json", .trash(format: .json)),
      ("restore a/b.log\n", .restore(.path(path), as: nil)), ("restore a/b.log x\n", .restore(.path(path), as: try LogPath("x"))),
      ("restore id=7\n", .restore(.id(LogID(rawValue: 7)), as: nil)), ("restore a/b.log id=7\n", .restore(.id(LogID(rawValue: 7)), as: path)),
      ("restore 7\n", .restore(.path(try LogPath("7")), as: nil)), ("purge a/b.log\n", .purge(.log(.path(path)))),
      ("purge id=7\n", .purge(.log(.id(LogID(rawValue: 7))))), ("purge all=yes\n", .purge(.all)),
      ("purge expired=yes all=no\n", .purge(.expired)),
      ("wait a/b.log durable=42\n", .wait(log, .durable, 42, timeout: nil)),
      ("wait remote=0 timeout=5 a/b.log\n", .wait(log, .remote, 0, timeout: .seconds(5))),
      ("wait remote=0 timeout=500ms a/b.log\n", .wait(log, .remote, 0, timeout: .milliseconds(500))),
    ]
    for (text, command) in expected { #expect(try parse(text) == [command], "\(text)") }
    let verbs = Set(expected.compactMap { $0.0.split { " \n".contains($0) }.first.map(String.init) })
    #expect(verbs == Set(ControlVerb.allCases.map(\.rawValue)))
  }

  @Test(arguments: [
    "purge\n", "purge a b\n", "purge a all=yes\n", "purge id=7 expired=yes\n", "purge all=no\n", "purge all=maybe\n",
    "purge id=\n", "purge id=-7\n", "purge id=18446744073709551616\n", "purge a", "restore a", "restore\n", "restore a b c\n",
    "restore \"\"\n", "trash a", "trash format=xml",
  ])
  func whatTheTrashDoesNotTake(_ text: String) throws { _ = try refusal(text) }

  @Test(arguments: ["trash", "restore id=7\n", "restore a\n", "purge all=yes\n"])
  func theTrashIsNoSingleLogs(_ text: String) throws { _ = try refusal(text, .log) }

  @Test func theNewlineMayBeMissing() throws {
    #expect(try parse("seal") == parse("seal\n"))
  }

  @Test(arguments: ["", "\n", "   ", "\t\n\n \n"]) func nothingIsNothing(_ text: String) throws {
    #expect(try parse(text).isEmpty)
  }

  @Test func linesAreCommandsInOrder() throws {
    #expect(
      try parse("seal\n\n  evict\ta \ncheckpoint") == [
        .seal(.unnamed), .evict(target("a")), .checkpoint(.unnamed),
      ])
  }

  @Test func aMistakeInOneLineNamesItAndLetsNothingPass() throws {
    #expect(try refusal("seal\nfrob\nevict\n").message.hasPrefix("line 2: "))
    #expect(try !refusal("frob\n").message.hasPrefix("line"))
  }

  @Test(arguments: ["frob", "SEAL", "\"seal\"", "seal\u{0}", "sealx", "seal=", "=", "s\u{E9}al"])
  func unknownVerbsNameThoseThatThereAre(_ text: String) throws {
    let error = try refusal(text)
    if !text.contains("\u{0}") { #expect(error.remedy.contains("checkpoint")) }
  }

  @Test func numbersThatMayBeCutAreNotActedOn() throws {
    for command in ["trim a 10", "truncate a 10", "wait a durable=10"] {
      #expect(try refusal(command).message.contains("newline"))
      #expect(try refusal("seal\n\(command)").message.contains("newline"))
    }
  }

  @Test(arguments: [
    "create\n", "create a", "objects", "trim 5\n", "trim\n", "truncate a\n", "trim a x\n", "trim a -1\n", "trim a 1 2\n",
    "trim a 1 timeout=\n", "trim a 1 timeout=-1\n", "trim a 1 timeout=1w\n", "trim a 1 timeout=86401\n",
    "truncate a 1 timeout=99999999999999999999\n", "truncate a timeout=1\n", "seal a timeout=1",
    "trim a 9223372036854775808\n", "trim a 99999999999999999999999\n", "hydrate a 5", "hydrate a 5-",
    "hydrate a -5",
    "hydrate a 9-5", "hydrate a 1-2-3", "hydrate a +1-2", "seal a b", "help me", "seal chunk_size=1K",
    "seal a=b",
    "create a chunk_size=3\n", "create a chunk_size=\n", "create a chunk_size=64K\n", "create a chunk_size=8G\n",
    "create a chunk_size=128K chunk_size=128K\n", "verify remote=maybe", "verify format=xml", "create /\n",
    "seal \"\"",
    "seal ..", "seal a/../b", "status a b",
    "wait a\n", "wait durable=1\n", "wait a durable=1 remote=1\n", "wait a durable=x\n", "wait a durable=\n",
    "wait a remote=-1\n", "wait a 5\n", "wait a durable=1 timeout=x\n",
  ])
  func whatIsUnclearIsRefused(_ text: String) throws { _ = try refusal(text) }

  @Test func namesPastTheLimitAreTooLong() throws {
    let name = String(repeating: "n", count: 256)
    let error = try #require(throws: AofError.self) { try parse("seal \(name)") }
    #expect(error.code == .nameTooLong)
    #expect(try parse("seal \(name.dropLast())").count == 1)
  }

  @Test func aLogsOwnFileTakesNoLogNames() throws {
    #expect(try parse("hydrate 0-10", .log) == [.hydrate(.unnamed, 0..<10)])
    #expect(try parse("trim 10\n", .log) == [.trim(.unnamed, 10, timeout: nil)])
    #expect(try parse("objects", .log) == [.objects(.unnamed)])
    #expect(try refusal("seal other.log", .log).remedy.contains(".ctl/command"))
    _ = try refusal("create\n", .log)
    _ = try refusal("create x\n", .log)
  }

  @Test func overLongInputIsRefused() throws {
    let most = String(repeating: "\n", count: Limits.maximumCommand)
    #expect(try parse(most).isEmpty)
    #expect(try refusal(most + "\n").message.contains("too long"))
    let commands = String(repeating: "\nseal\n", count: Limits.commandsInMessage)
    #expect(try parse(commands).count == Limits.commandsInMessage)
    #expect(try refusal(commands + "seal").message.contains("more than"))
  }

  @Test func messagesDoNotRepeatAllOfTheGarbage() throws {
    let error = try refusal(String(repeating: "x", count: 500_000))
    #expect(error.message.count < 200)
  }

  /// Any bytes at all: understood or refused as EINVAL or ENAMETOOLONG, never a crash. The seed is in the message.
  @Test(arguments: [1, 2, 3, 4] as [UInt64]) func garbageIsAnswered(_ seed: UInt64) {
    var state = seed
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    let pieces =
      ControlVerb.allCases.map { Array($0.rawValue.utf8) } + [
        [0], [0xFF, 0xFE], Array("\"".utf8), Array("\\".utf8), Array("\\x".utf8), Array("\\777".utf8),
        Array(" ".utf8),
        Array("\n".utf8), Array("=".utf8), Array("1-2".utf8), Array("chunk_size=".utf8),
        Array("18446744073709551616".utf8),
      ]
    for _ in 0..<3000 {
      var bytes: [UInt8] = []
      for _ in 0..<random(12) {
        bytes += random(4) == 0 ? [UInt8(random(256))] : pieces[random(pieces.count)]
      }
      for scope in [ControlScope.store, .log] {
        do throws(AofError) {
          _ = try ControlParser.commands(bytes, scope: scope)
        } catch {
          #expect(error.code == .invalidArgument || error.code == .nameTooLong, "seed \(seed): \(bytes)")
          #expect(!error.message.contains("\n"), "seed \(seed): \(bytes)")
        }
      }
    }
  }
}
