import AOFControl
import AOFCore
import AOFEngine
import AOFFuse
import AOFSystem
import Logging

/// Ends a mount when a signal asks for it: gently first, then with force.
final class MountStopper: Sendable {
  private struct State {
    /// INVARIANT: once it is set, `wasCut` does not change.
    var hasEnded = false
    var wasCut = false
  }

  let mount: FuseMount
  private let manager: AofManager
  private let stopTimeout: Int
  private let service: ServiceManager?
  private let logger: Logger
  private let state = Monitor(State())

  /// - Parameter stopTimeout: in milliseconds.
  init(_ mount: FuseMount, manager: AofManager, stopTimeout: Int, service: ServiceManager?, logger: Logger) {
    self.mount = mount
    self.manager = manager
    self.stopTimeout = stopTimeout
    self.service = service
    self.logger = logger
  }

  var observation: Observation { manager.observation }

  /// Whether the mount was cut off while in use.
  var wasCut: Bool { state.withLock(\.wasCut) }

  /// Starts the thread that waits for signals, which must be blocked in all others.
  func start() throws(AofError) {
    _ = try SystemThread.start("signals") { self.run() }
  }

  /// The mount has ended; closing the store is not to be disturbed.
  func ended() { state.change { $0.hasEnded = true } }

  private func run() {
    waitForStop()
    service?.tell(.stopping(status: "unmounting \(mount.mountPoint)"))
    manager.observation.report(.unmount(mount.mountPoint))
    mount.prepareToEnd()
    logger.notice("stopping")
    tellHolders("waits for those who use it, at most \(stopTimeout) ms", .notice)
    attempt { () throws(AofError) in try mount.detach() }
    waitForSecondStop()
    guard cut() else { return }
    logger.error("the mount is still in use: cutting it off")
    tellHolders("is cut off from under", .error)
    if attempt({ () throws(AofError) in try mount.abort() }) { waitForSecondStop() }
    guard state.withLock({ !$0.hasEnded }) else { return }
    // Where the connection cannot be cut, or a thread is stuck beyond our reach, the end of the process cuts
    // it. The store is brought to rest first; were it stuck too, the next mount finds what is in the WAL.
    logger.critical("the mount does not end: closing the store under it")
    attempt { () throws(AofError) in try manager.close() }
    Signals.endProcess(AofsExitCode.tryAgain.rawValue)
  }

  /// Names who keeps the mount in use.
  private func tellHolders(_ what: String, _ level: Logger.Level) {
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
      if state.hasEnded { return false }
      state.wasCut = true
      return true
    }
  }

  private func waitForStop() {
    while true {
      switch Signals.wait() {
      case .terminate, .interrupt: return
      case .hangUp: logger.info("hang-up: nothing to do")
      case nil: continue
      }
    }
  }

  /// Until the time is up or the user asks again. The process ends elsewhere if the mount ends first.
  private func waitForSecondStop() {
    let clock = ContinuousClock()
    let deadline = clock.now + .milliseconds(stopTimeout)
    while clock.now < deadline {
      let left = (deadline - clock.now).components
      let milliseconds = Int(left.seconds) * 1000 + Int(left.attoseconds / 1_000_000_000_000_000) + 1
      if let signal = Signals.wait(atMost: milliseconds), signal != .hangUp { return }
    }
  }
}
