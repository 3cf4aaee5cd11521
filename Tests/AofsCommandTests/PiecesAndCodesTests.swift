import AOFControl
import AOFCore
import Glibc
import Testing

@testable import aofs

@Suite struct LinePiecesTests {
  private func pieces(_ inputs: [String], size: Int = 8) -> [String] {
    var cutter = LinePieces(size: size)
    var out: [[UInt8]] = []
    for input in inputs { out += cutter.add(Array(input.utf8), isAtEnd: false) }
    out += cutter.add([], isAtEnd: true)
    return out.map { String(decoding: $0, as: UTF8.self) }
  }

  /// It is put into the line of a command as it is.
  @Test func aTimeIsOneWord() throws {
    #expect(try TimeoutArgument.checked("500ms") == "500ms")
    for text in ["1s\nseal", "1s log", "", "soon"] {
      #expect(throws: AofError.self, "\(text)") { try TimeoutArgument.checked(text) }
    }
  }

  @Test func piecesEndWithLines() {
    #expect(pieces(["a\nb"]) == ["a\n", "b"])
    #expect(pieces(["ab", "c\n", "d\ne\nf"]) == ["abc\n", "d\ne\n", "f"])
    #expect(pieces([]) == [])
    #expect(pieces(["\n"]) == ["\n"])
  }

  @Test func aLineLongerThanAPieceIsCut() {
    #expect(pieces(["abcdefgh", "ij\nk"]) == ["abcdefgh", "ij\n", "k"])
  }
}

@Suite struct ExitCodeTests {
  @Test(
    arguments: [
      (AofError.Code.invalidArgument, 64), (.nameTooLong, 64), (.notAStore, 64), (.notFound, 66),
      (.isADirectory, 66),
      (.belowHead, 66), (.fenced, 69), (.unsupported, 69), (.alreadyExists, 73), (.notEmpty, 73),
      (.corrupt, 74),
      (.remoteFailure, 74), (.localFailure, 74), (.noSpace, 74), (.quotaExceeded, 74), (.locked, 75),
      (.busy, 75),
      (.timedOut, 75), (.interrupted, 75), (.newerVersion, 76), (.notPermitted, 77), (.readOnly, 77),
      (.system(errno: ENOTCONN), 69), (.system(errno: EACCES), 77), (.system(errno: ENOMEM), 1),
    ] as [(AofError.Code, Int32)])
  func errorsEndWithTheirCode(_ code: AofError.Code, _ exit: Int32) {
    #expect(AofsExitCode(AofError(code, "")).rawValue == exit)
  }

  @Test func noErrorLooksLikeSuccess() {
    for errno in Int32(1)...133 { #expect(AofsExitCode(errno: errno) != .done) }
  }
}

@Suite struct ArgumentTests {
  @Test func verbLinesQuoteTheLog() throws {
    let target = Target.store("/s", try LogPath("a b\n"))
    let line = VerbRunner(verb: .verify, arguments: ["remote=yes"]).line(target)
    #expect(String(decoding: line, as: UTF8.self) == "verify \"a b\\n\" remote=yes\n")
    #expect(VerbRunner(verb: .seal).line(.store("/s", nil)) == Array("seal\n".utf8))
  }

  @Test(arguments: [
    ["cat", "x", "--from", "-1"], ["cat", "x", "--from", "1K"], ["cat", "x", "--from", "9", "--to", "3"],
    ["hydrate", "x", "--from", "9", "--to", "3"], ["create", "x", "--chunk-size", "lots"], ["seal"],
    ["seal", "a", "b"],
    ["mount", "a"], ["mount", "a", "b", "c"], ["nope"], ["ls", "x", "--log-level", "loud"],
  ])
  func whatCannotBeMeantIsAUsageError(_ arguments: [String]) throws {
    do {
      _ = try AofsCommand.parseAsRoot(arguments)
      Issue.record("\(arguments) was taken")
    } catch {
      #expect(AofsCommand.exitCode(for: error).rawValue == AofsExitCode.usage.rawValue)
    }
  }

  @Test func everySubcommandHasHelp() {
    for command in AofsCommand.configuration.subcommands {
      #expect(!command.configuration.abstract.isEmpty)
      #expect(AofsCommand.helpMessage(for: command).contains("USAGE: aofs"))
    }
  }
}
