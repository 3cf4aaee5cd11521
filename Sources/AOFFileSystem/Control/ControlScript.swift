import AOFControl
import AOFCore
import AOFEngine
import AOFSystem

/// Carrying out what was written to a control file at once: all of its commands, in order, up to the first that fails.
/// A command that waits for a watermark holds no thread meanwhile; the rest goes on where the caller says.
extension ControlExecutor {
  /// What is left to do of a message, and what was answered so far.
  private struct Script: Sendable {
    var rest: ArraySlice<ControlCommand>
    let defaultLog: LogID?
    var text = ""
    /// Of how many commands the answers are left out.
    private var omitted = 0

    init(_ commands: [ControlCommand], defaultLog: LogID?) {
      rest = commands[...]
      self.defaultLog = defaultLog
    }

    /// Adds the answer to one command. Returns the whole answer if that was the last that is tried.
    mutating func take(_ answer: ControlAnswer) -> ControlAnswer? {
      guard let error = answer.error else {
        if text.utf8.count < Limits.longAnswer { text += answer.text } else { omitted += 1 }
        return nil
      }
      tellOmitted()
      text += answer.text
      if !rest.isEmpty { text += "not tried after this failure: \(rest.count) more command\(rest.count == 1 ? "" : "s")\n" }
      return ControlAnswer(text: text, error: error)
    }

    /// The answer when all has gone well.
    mutating func end() -> ControlAnswer {
      tellOmitted()
      return ControlAnswer(text: text, error: nil)
    }

    private mutating func tellOmitted() {
      if omitted > 0 { text += "cut here: the answers to \(omitted) more command\(omitted == 1 ? "" : "s")\n" }
    }
  }

  /// Runs a closure on a thread that may wait, later; false if there is none any more.
  package typealias Resume = @Sendable (@escaping @Sendable () -> Void) -> Bool

  /// Understands all lines, then carries them out in order, up to the first that fails.
  ///
  /// Blocks on the local disk and on the remote: never call it on a thread that must not wait.
  /// - Parameters:
  ///   - defaultLog: the log whose own control file was written to; nil for the store's.
  ///   - resume: where to go on after a wait for a watermark.
  ///   - whenDone: called once, on this or another thread.
  package func execute(
    _ bytes: [UInt8], defaultLog: LogID?, resume: @escaping Resume,
    whenDone: @escaping @Sendable (ControlAnswer) -> Void
  ) {
    let commands: [ControlCommand]
    do throws(AofError) {
      commands = try ControlParser.commands(bytes, scope: defaultLog == nil ? .store : .log)
    } catch {
      return finish(ControlAnswer(error), whenDone)
    }
    carryOn(Script(commands, defaultLog: defaultLog), resume, whenDone)
  }

  /// As the above, and waits for it.
  package func execute(_ bytes: [UInt8], defaultLog: LogID?) -> ControlAnswer {
    let inbox = Monitor<(jobs: [@Sendable () -> Void], answer: ControlAnswer?)>(([], nil))
    let resume: Resume = { job in
      inbox.change { $0.jobs.append(job) }
      return true
    }
    execute(bytes, defaultLog: defaultLog, resume: resume) { answer in inbox.change { $0.answer = answer } }
    while true {
      let (jobs, answer) = inbox.wait { inbox -> ([@Sendable () -> Void], ControlAnswer?)? in
        guard inbox.answer != nil || !inbox.jobs.isEmpty else { return nil }
        defer { inbox.jobs = [] }
        return inbox
      }
      if let answer { return answer }
      for job in jobs { job() }
    }
  }

  private func carryOn(
    _ script: Script, _ resume: @escaping Resume, _ whenDone: @escaping @Sendable (ControlAnswer) -> Void
  ) {
    var script = script
    while let command = script.rest.popFirst() {
      if case .wait(let target, let mark, let lsn, let timeout) = command {
        return wait(target, mark, lsn, timeout, script, resume, whenDone)
      }
      if let answer = script.take(execute(command, defaultLog: script.defaultLog)) { return finish(answer, whenDone) }
    }
    finish(script.end(), whenDone)
  }

  private func finish(_ answer: ControlAnswer, _ whenDone: @Sendable (ControlAnswer) -> Void) {
    note(answer)
    whenDone(answer)
  }

  // MARK: Waiting

  /// How long a wait takes at most that does not say so.
  static let standardWait = Duration.seconds(30)

  private func wait(
    _ target: ControlCommand.Target, _ mark: ControlCommand.Mark, _ lsn: LSN, _ timeout: Duration?, _ script: Script,
    _ resume: @escaping Resume, _ whenDone: @escaping @Sendable (ControlAnswer) -> Void
  ) {
    let goOn: @Sendable (ControlAnswer) -> Void = { [self] answer in
      let isQueued = resume { [self] in
        var script = script
        if let end = script.take(answer) { finish(end, whenDone) } else { carryOn(script, resume, whenDone) }
      }
      if !isQueued {
        let error = AofError(.busy, "the file system is being unmounted")
        finish(ControlAnswer(text: script.text + ControlAnswer.line(error), error: error), whenDone)
      }
    }
    do throws(AofError) {
      guard let named = try logs(target, script.defaultLog).first else { throw AofError(.notFound, "there is no log") }
      let number = running.begin(ControlCommand.wait(.log(named.path), mark, lsn, timeout: nil).summary)
      let wait = MarkTimeout(named, mark, lsn) { [running] answer in
        running.end(number)
        goOn(answer)
      }
      try wait.start(alarms, timeout ?? Self.standardWait)
    } catch {
      goOn(ControlAnswer(error))
    }
  }
}

/// A wait for a watermark that ends when the mark is reached or the time is up, whichever is first.
private final class MarkTimeout: Sendable {
  private struct State {
    var isOver = false
    var wait: MarkWait?
  }

  private let named: ControlExecutor.NamedLog
  private let mark: ControlCommand.Mark
  private let lsn: LSN
  private let whenDone: @Sendable (ControlAnswer) -> Void
  private let state = Lock(State())

  init(
    _ named: ControlExecutor.NamedLog, _ mark: ControlCommand.Mark, _ lsn: LSN,
    whenDone: @escaping @Sendable (ControlAnswer) -> Void
  ) {
    self.named = named
    self.mark = mark
    self.lsn = lsn
    self.whenDone = whenDone
  }

  /// - Throws: if no thread can be started that would end the wait; then it has not begun.
  func start(_ alarms: AlarmClock, _ timeout: Duration) throws(AofError) {
    let alarm = try alarms.set(after: timeout) { [self] in
      let reached = named.log.watermarks
      end(
        .failure(
          AofError(
            .timedOut, "LSN \(lsn) is not \(mark == .durable ? "durable" : "on the remote") yet, only "
              + "\(mark == .durable ? reached.durable : reached.remote) is",
            remedy: mark == .durable ? "fsync or seal the log, or wait longer" : "checkpoint the log, or wait longer")))
    }
    let wait = named.log.whenReached(mark == .durable ? .durable : .remote, lsn) { [self] result in
      alarms.cancel(alarm)
      end(result)
    }
    let isOver = state.withLock { state in
      state.wait = wait
      return state.isOver
    }
    if isOver { wait.cancel() }
  }

  private func end(_ result: Result<Void, AofError>) {
    let (isFirst, wait) = state.withLock { state in
      defer { state.isOver = true }
      return (!state.isOver, state.wait)
    }
    guard isFirst else { return }
    wait?.cancel()
    switch result {
    case .success:
      let what = mark == .durable ? "durable" : "on the remote"
      whenDone(ControlAnswer(text: "\(named.label): LSN \(lsn) is \(what)\n", error: nil))
    case .failure(let error): whenDone(ControlAnswer(text: "\(named.label): \(ControlAnswer.line(error))", error: error))
    }
  }
}
