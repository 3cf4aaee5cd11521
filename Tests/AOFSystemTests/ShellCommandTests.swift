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
  ])
  func failuresAreErrors(_ command: String, _ limit: Int, _ timeout: Int, _ code: AofError.Code) {
    #expect(#expect(throws: AofError.self) { try run(command, limit: limit, timeout: timeout) }?.code == code)
  }
}
