import AOFControl
import AOFCore
import AOFEngine
import AOFSystem

/// What a command came to.
package struct ControlAnswer: Sendable {
  /// For people or programs, as the command asked; lines with their newlines. Never empty after a failure.
  package let text: String
  /// The first failure; decides the errno of the write. Nil if all went well.
  package let error: AofError?

  package init(text: String, error: AofError?) {
    self.text = text
    self.error = error
  }

  /// A failure, told on a line.
  init(_ error: AofError) { self.init(text: Self.line(error), error: error) }

  /// A failure as a line of an answer. Messages hold names as they are, and no name may look like a line of its own.
  static func line(_ error: AofError) -> String { "error: \(ControlQuoting.line("\(error)"))\n" }
}

/// Carries out what is written to the control files, for the mount and for the command alike.
package final class ControlExecutor: Sendable {
  let manager: AofManager
  /// Bytes at the end of each log that `evict` leaves on the local disk.
  let residentTail: Int
  let whenEvicted: @Sendable (LogID) -> Void
  /// Told of each log that a command has cut, and where it ends now, before the next command begins. Called on the thread
  /// of the command, and may block.
  let whenCut = Hook<(LogID, LSN)>()
  let running: RunningCommands
  /// Ends waits whose time is up.
  let alarms = AlarmClock()
  private let last = Lock("")

  /// - Parameter whenEvicted: called after each eviction and trim, on the thread of the command; for a mount, to drop
  ///   the kernel's pages of the log.
  package init(manager: AofManager, residentTail: Int, whenEvicted: @escaping @Sendable (LogID) -> Void) {
    self.manager = manager
    self.residentTail = residentTail
    self.whenEvicted = whenEvicted
    running = RunningCommands(clock: SystemClock())
  }

  /// The text of the answer that was given last.
  package func lastResult() -> String { last.withLock { $0 } }

  func note(_ answer: ControlAnswer) { last.withLock { $0 = answer.text } }

  /// Carries out one command that waits for no watermark.
  func execute(_ command: ControlCommand, defaultLog: LogID?) -> ControlAnswer {
    let number = running.begin(command.summary)
    defer { running.end(number) }
    do throws(AofError) {
      switch command {
      case .help: return ControlAnswer(text: ControlVerb.helpText, error: nil)
      case .create(let path, let chunkSize): return try create(path, chunkSize: chunkSize)
      case .seal(let target): return try forEach(target, defaultLog, seal)
      case .checkpoint(let target):
        let answer = try forEach(target, defaultLog, andTrash: true, checkpoint)
        // Where nothing is left to upload, the remote is to learn of names all the same.
        if answer.error == nil { try manager.publishNames() }
        return answer
      case .evict(let target): return try forEach(target, defaultLog, evict)
      case .hydrate(let target, let range):
        return try forEach(target, defaultLog) { log throws(AofError) in try self.hydrate(log, range) }
      case .verify(let target, let remote, let format):
        return try verify(
          logs(target, defaultLog, andTrash: true), wholeStore: target == .unnamed && defaultLog == nil, remote: remote, format: format)
      case .objects(let target): return try objects(logs(target, defaultLog))
      case .status(let target): return try status(target, defaultLog)
      case .trim(let target, let lsn, let timeout):
        return try forEach(target, defaultLog) { log throws(AofError) in try self.trim(log, lsn, timeout) }
      case .truncate(let target, let lsn, let timeout):
        return try truncate(logs(target, defaultLog), lsn, timeout)
      case .trash(let format): return try trash(format)
      case .restore(let log, let path): return try restore(log, as: path)
      case .purge(let target): return try purge(target)
      case .wait: return ControlAnswer(text: "", error: nil)
      }
    } catch {
      return ControlAnswer(error)
    }
  }

  // MARK: Which logs

  /// A log that a command acts on, and the name to report it by.
  struct NamedLog {
    let path: LogPath
    let log: Aof
    var isInTrash = false

    var label: String { ControlQuoting.readable(path.bytes) + (isInTrash ? " (\(log.id), in the trash)" : "") }
  }

  /// The logs that are meant. Of every log, those that vanish between listing and opening are left out.
  /// - Parameter andTrash: whether every log means those in the trash too.
  func logs(
    _ target: ControlCommand.Target, _ defaultLog: LogID?, andTrash: Bool = false
  ) throws(AofError) -> [NamedLog] {
    switch target {
    case .log(let path): return [NamedLog(path: path, log: try manager.openLog(path))]
    case .unnamed:
      if let defaultLog {
        let log = try manager.log(defaultLog)
        return [NamedLog(path: manager.path(of: defaultLog) ?? LogPath(names: []), log: log)]
      }
      return try everyLog() + (andTrash ? try everyTrashedLog() : [])
    }
  }

  func everyLog() throws(AofError) -> [NamedLog] {
    var logs: [NamedLog] = []
    for path in manager.logs() {
      do throws(AofError) {
        logs.append(NamedLog(path: path, log: try manager.openLog(path)))
      } catch {
        guard error.code == .notFound else { throw error }
      }
    }
    return logs
  }

  private func everyTrashedLog() throws(AofError) -> [NamedLog] {
    var logs: [NamedLog] = []
    for trashed in try manager.trash() {
      do throws(AofError) {
        logs.append(NamedLog(path: trashed.path, log: try manager.log(trashed.id), isInTrash: true))
      } catch where error.code == .notFound {
        // Purged meanwhile.
      }
    }
    return logs
  }

  /// Tries every log that is meant; the text has a line for each, the error is the first one's.
  private func forEach(
    _ target: ControlCommand.Target, _ defaultLog: LogID?, andTrash: Bool = false,
    _ action: (NamedLog) throws(AofError) -> String
  ) throws(AofError) -> ControlAnswer {
    let logs = try logs(target, defaultLog, andTrash: andTrash)
    guard !logs.isEmpty else { return ControlAnswer(text: "there are no logs\n", error: nil) }
    var text = ""
    var first: AofError?
    for log in logs {
      do throws(AofError) {
        text += "\(log.label): \(try action(log))\n"
      } catch {
        text += "\(log.label): \(ControlAnswer.line(error))"
        first = first ?? error
      }
    }
    return ControlAnswer(text: text, error: first)
  }
}
