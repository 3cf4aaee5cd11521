import AOFControl
import AOFCore
import AOFEngine
import AOFSystem

/// The commands that are being carried out, for the status.
final class RunningCommands: Sendable {
  private struct Entry: Sendable {
    let command: String
    let since: UnixTime
    let progress: Progress?
  }

  /// What a hydration has to bring back.
  struct Progress: Sendable {
    let log: Aof
    let range: Range<LSN>?
    let total: Int
  }

  private struct State {
    var entries: [UInt64: Entry] = [:]
    var next: UInt64 = 0
  }

  private let clock: any WallClock
  private let state = Lock(State())

  init(clock: any WallClock) { self.clock = clock }

  func begin(_ command: String, _ progress: Progress? = nil) -> UInt64 {
    let entry = Entry(command: command, since: clock.now(), progress: progress)
    return state.withLock { state in
      defer { state.next += 1 }
      state.entries[state.next] = entry
      return state.next
    }
  }

  func end(_ number: UInt64) { state.withLock { $0.entries[number] = nil } }

  /// Oldest first. Blocks on the local disk at most.
  var report: [RunningCommand] {
    state.withLock { $0.entries.sorted { $0.key < $1.key } }.map { _, entry in
      var report = RunningCommand(command: entry.command, since: entry.since.rfc3339)
      if let progress = entry.progress, let cold = try? progress.log.coldBytes(in: progress.range) {
        report.totalBytes = UInt64(progress.total)
        report.doneBytes = UInt64(max(0, progress.total - cold))
      }
      return report
    }
  }
}
