import AOFCore

/// Runs a command line of the user's, and takes what it prints.
package enum ShellCommand {
  /// What `/bin/sh -c` prints on its standard output until it ends; its input is `/dev/null`. What it leaves running in
  /// the background is not waited for.
  ///
  /// - Parameters:
  ///   - limit: the most that is taken, in bytes.
  ///   - timeout: for how long it may run, in milliseconds. Then it is killed, with the processes that it has started.
  ///   - stop: kills it before.
  /// - Throws: `tooLarge`; `timedOut`; `interrupted` for one that was stopped; `notFound` for one that the shell cannot
  ///   run; `localFailure` for one that fails, with the first line of its errors; what the system answered.
  package static func output(
    of command: String, limit: Int, timeout: Int, unless stop: StopSignal? = nil
  ) throws(AofError) -> [UInt8] {
    let end = SystemClock().uptime() + timeout
    let stopped = try stop?.listen()
    let run = try CommandRun(command)
    let bytes: [UInt8]
    do throws(AofError) {
      bytes = try run.collect(limit, until: end, stopped)
    } catch {
      run.kill()
      throw error
    }
    try check(try Spawn.wait(for: run.process), run.complaint)
    return bytes
  }

  /// What the shell exits with for a command that is no program, or not there.
  private static let cannotRun: Set<Int32> = [126, 127]

  private static func check(_ ending: Spawn.Ending, _ complaint: String) throws(AofError) {
    let said = complaint.isEmpty ? "" : ": \(complaint)"
    switch ending {
    case .exited(0): return
    case .exited(let code):
      throw AofError(cannotRun.contains(code) ? .notFound : .localFailure, "the command ended with exit code \(code)\(said)")
    case .killed(let signal): throw AofError(.localFailure, "the command was ended by signal \(signal)\(said)")
    }
  }
}
