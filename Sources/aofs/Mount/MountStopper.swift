import AOFControl
import AOFCore
import AOFEngine
import AOFFuse
import AOFSystem
import Logging

/// Ends a mount when a signal asks for it: gently first, then with force. Before there is a mount it ends the process, for what opening
/// a store does can be done again; once the mount has ended it ends the last checkpoint.
final class MountStopper: Sendable {
  private enum Phase {
    case opening
    /// Until that is done no signal is heeded.
    case mounting
    case mounted(FuseMount, AofManager)
    case ended(AofManager)
  }

  private struct State {
    var phase = Phase.opening
    /// Does not change once the mount has ended.
    var wasCut = false
  }

  private let stopTimeout: Int
  /// The file that the daemon's messages go to, which a hang-up opens anew; nil for none.
  private let logFile: String?
  private let reporter: ReadyReporter
  private let service: ServiceManager?
  private let logger: Logger
  private let state = Monitor(State())

  /// - Parameter stopTimeout: in milliseconds.
  init(stopTimeout: Int, logFile: String?, reporter: ReadyReporter, service: ServiceManager?, logger: Logger) {
    self.stopTimeout = stopTimeout
    self.logFile = logFile
    self.reporter = reporter
    self.service = service
    self.logger = logger
  }

  /// Whether the mount was cut off while in use.
  var wasCut: Bool { state.withLock(\.wasCut) }

  /// Starts the thread that waits for signals, which must be blocked in all others.
  func start() throws(AofError) {
    _ = try SystemThread.start("signals") { self.run() }
  }

  /// Mounts, once the store is open.
  func whileMounting(_ manager: AofManager, _ body: () throws(AofError) -> FuseMount) throws(AofError) -> FuseMount {
    state.change { $0.phase = .mounting }
    do throws(AofError) {
      let mount = try body()
      state.change { $0.phase = .mounted(mount, manager) }
      return mount
    } catch {
      state.change { $0.phase = .ended(manager) }
      throw error
    }
  }

  /// The mount has ended; closing the store is not to be disturbed.
  func ended() {
    state.change { state in
      if case .mounted(_, let manager) = state.phase { state.phase = .ended(manager) }
    }
  }

  private func run() {
    while true {
      waitForStop()
      let phase = state.wait { state -> Phase? in if case .mounting = state.phase { nil } else { state.phase } }
      switch phase {
      case .mounted(let mount, let manager): stop(mount, manager)
      case .ended(let manager): endLastCheckpoint(manager)
      case .opening, .mounting: endBeforeMounting()
      }
    }
  }

  /// Under the lock: no mount begins any more.
  private func endBeforeMounting() {
    state.withLock { state in
      guard case .opening = state.phase else { return }
      let error = AofError(.interrupted, "a signal ended aofs before its mount was there", remedy: "mount again")
      logger.notice("\(error)")
      reporter.report(ReadyReport(error))
      Signals.endProcess(AofsExitCode(error).rawValue)
    }
  }

  /// Who asks again does not want to wait for the remote.
  private func endLastCheckpoint(_ manager: AofManager) {
    logger.notice("closing the store; a checkpoint that is under way ends")
    manager.endCheckpoints()
  }

  private func stop(_ mount: FuseMount, _ manager: AofManager) {
    service?.tell(.stopping(status: "unmounting \(mount.mountPoint)"))
    manager.observation.report(.unmount(mount.mountPoint))
    mount.prepareToEnd()
    logger.notice("stopping")
    tellHolders(of: mount, "waits for those who use it, at most \(stopTimeout) ms", .notice)
    attempt { () throws(AofError) in try mount.detach() }
    guard waitForSecondStop() else { return endLastCheckpoint(manager) }
    guard cut() else { return }
    logger.error("the mount is still in use: cutting it off")
    tellHolders(of: mount, "is cut off from under", .error)
    if attempt({ () throws(AofError) in try mount.abort() }) { _ = waitForSecondStop() }
    guard !hasEnded else { return }
    // Where the connection cannot be cut, or a thread is stuck beyond our reach, the end of the process cuts
    // it. The store is brought to rest first; were it stuck too, the next mount finds what is in the WAL.
    logger.critical("the mount does not end: closing the store under it")
    attempt { () throws(AofError) in try manager.close() }
    Signals.endProcess(AofsExitCode.tryAgain.rawValue)
  }

  private var hasEnded: Bool { state.withLock { if case .ended = $0.phase { true } else { false } } }

  /// Names who keeps the mount in use.
  private func tellHolders(of mount: FuseMount, _ what: String, _ level: Logger.Level) {
    for holder in mount.holders(limit: Self.namedHolders) {
      logger.log(
        level: level,
        "\(mount.mountPoint) \(what): process \(holder.process) (\(holder.command)) has \(ControlQuoting.line(holder.path)) open")
    }
  }

  private static let namedHolders = 20

  /// What fails here has no one to throw to, and the next step is more forceful anyway.
  @discardableResult
  private func attempt(_ step: () throws(AofError) -> Void) -> Bool {
    do throws(AofError) {
      try step()
      return true
    } catch {
      logger.error("\(error)")
      return false
    }
  }

  private func cut() -> Bool {
    state.withLock { state in
      if case .ended = state.phase { return false }
      state.wasCut = true
      return true
    }
  }

  private func waitForStop() {
    while true {
      switch Signals.wait() {
      case .terminate, .interrupt: return
      case .hangUp: reopenLog()
      case nil: continue
      }
    }
  }

  private func reopenLog() {
    guard let logFile else { return logger.info("hang-up: nothing to do") }
    if attempt({ () throws(AofError) in try ByteStream.redirectStandardError(to: logFile) }) {
      logger.notice("the log goes on in \(logFile)")
    }
  }

  /// Until the time is up or the user asks again. - Returns: false if the user asked once the mount had ended.
  private func waitForSecondStop() -> Bool {
    let clock = ContinuousClock()
    let deadline = clock.now + .milliseconds(stopTimeout)
    while clock.now < deadline {
      let left = (deadline - clock.now).components
      let milliseconds = Int(left.seconds) * 1000 + Int(left.attoseconds / 1_000_000_000_000_000) + 1
      if let signal = Signals.wait(atMost: milliseconds), signal != .hangUp { return !hasEnded }
    }
    return true
  }
}
