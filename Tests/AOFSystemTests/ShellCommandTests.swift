import AOFCore
import AOFSystem
import Testing

@Suite struct ShellCommandTests {
  private func run(_ command: String, limit: Int = 1000, timeout: Int = 60_000) throws -> String {
    String(decoding: try ShellCommand.output(of: command, limit: limit, timeout: timeout), as: UTF8.self)
  }

  @Test func whatIsPrintedIsTaken() throws {
    #expect(try run("printf 'a b' | tr a-z A-Z; echo lost >&2; cat") == "A B")
  }

  @Test(arguments: [
    ("exit 3", 1000, 60_000, AofError.Code.localFailure), ("kill -9 $$", 1000, 60_000, .localFailure),
    ("yes", 1000, 60_000, .tooLarge), ("sleep 1000 & wait", 1000, 50, .timedOut),
    ("exec >&- 2>&-; sleep 1000", 1000, 50, .timedOut), ("/no/such/program", 1000, 60_000, .notFound),
  ])
  func failuresAreErrors(_ command: String, _ limit: Int, _ timeout: Int, _ code: AofError.Code) {
    #expect(#expect(throws: AofError.self) { try run(command, limit: limit, timeout: timeout) }?.code == code)
  }

  @Test func theFirstLineOfItsErrorsIsSaid() throws {
    let error = try #require(throws: AofError.self) {
      try run("echo hush; printf '\\n\\033[31mnobody is \\tlogged in\\nmore\\n' >&2; yes no | head -c 100000 >&2; exit 7")
    }
    #expect(error.message == "the command ended with exit code 7: [31mnobody is logged in")
  }

  @Test func whatStaysInTheBackgroundIsNotWaitedFor() throws {
    #expect(try run("sleep 5 & echo done", timeout: 4000) == "done\n")
  }

  /// Also one that has closed its output, which then says nothing about its end.
  @Test(arguments: ["sleep 1000", "exec >&- 2>&-; sleep 1000", "sleep 1000 & wait"])
  func aCommandIsKilledThatNobodyWantsAnyMore(_ command: String) throws {
    let stop = StopSignal()
    let code = Lock<AofError.Code?>(nil)
    let thread = try SystemThread.start("command") {
      do throws(AofError) {
        _ = try ShellCommand.output(of: command, limit: 10, timeout: 600_000, unless: stop)
      } catch {
        code.withLock { $0 = error.code }
      }
    }
    stop.give()
    thread.join()
    #expect(code.withLock { $0 } == .interrupted)
    // It stays given.
    let other = #expect(throws: AofError.self) { try ShellCommand.output(of: command, limit: 10, timeout: 600_000, unless: stop) }
    #expect(other?.code == .interrupted)
  }
}
