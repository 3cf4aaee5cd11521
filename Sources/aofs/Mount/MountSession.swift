import AOFControl
import AOFCore
import AOFEngine
import AOFFileSystem
import AOFFuse
import AOFSystem
import Logging

/// One mount, from opening the store to letting go of it.
struct MountSession {
  let settings: MountSettings
  let reporter: ReadyReporter
  private let logger = Logger(label: "aofs")
  private let service = ServiceManager()

  init(settings: MountSettings, reporter: ReadyReporter) {
    self.settings = settings
    self.reporter = reporter
  }

  /// Returns when the mount has ended and everything is in the store.
  ///
  /// - Throws: what kept the mount from being made; `timedOut` if it had to be cut off; what closing the
  ///   store says.
  func run() throws(AofError) {
    let stopper = MountStopper(
      stopTimeout: settings.stopTimeout, logFile: reporter.isAwaited ? settings.logFile : nil, reporter: reporter, service: service, logger: logger)
    try stopper.start()
    service?.tell(.status("opening \(settings.store)"))
    let manager = try StoreOpening.open(settings.store, options: settings.storeOptions)
    do throws(AofError) {
      try serve(try stopper.whileMounting(manager) { () throws(AofError) in try mount(manager) }, manager, stopper)
    } catch {
      logger.error("\(error)")
      do throws(AofError) { try manager.close() } catch { logger.error("closing the store: \(error)") }
      throw error
    }
    service?.tell(.status("closing \(settings.store)"))
    checkpointAtEnd(manager)
    try manager.close()
    logger.notice("unmounted", metadata: ["mountpoint": "\(settings.mountPoint)"])
    if stopper.wasCut {
      throw AofError(
        .timedOut, "\(settings.mountPoint) was still in use after the stop timeout and was cut off",
        remedy: "nothing that was written is lost; close what uses the mount before it is stopped")
    }
  }

  /// A remote that is away does not keep the mount from ending: what it lacks is safe in the store.
  private func checkpointAtEnd(_ manager: AofManager) {
    guard settings.checkpointsOnUnmount else { return }
    do throws(AofError) {
      try manager.checkpoint()
    } catch {
      logger.error("the checkpoint on unmount failed; the remote lacks what came since the last one: \(error)")
    }
  }

  private func serve(_ mount: FuseMount, _ manager: AofManager, _ stopper: MountStopper) throws(AofError) {
    let (observation, service, settings) = (manager.observation, service, settings)
    let probe = MountProbe(mountPoint: settings.mountPoint, reporter: reporter, logger: logger) {
      observation.report(.mount(settings.mountPoint))
      service?.tell(.ready(status: "\(settings.store) is mounted on \(settings.mountPoint)"))
    }
    defer { stopper.ended() }
    let logger = logger
    try mount.serve {
      do throws(AofError) {
        _ = try SystemThread.start("probe") { probe.run() }
      } catch {
        logger.error("\(error)")
        probe.reporter.report(ReadyReport(error))
      }
    }
  }

  private func mount(_ manager: AofManager) throws(AofError) -> FuseMount {
    let notifier = try KernelNotifier()
    let control = ControlExecutor(manager: manager, residentTail: Limits.residentTail) { log in
      notifier.invalidateAllAndWait(log)
    }
    var options = FileSystemOptions()
    options.kernelCache = notifier
    options.allowsDeletion = settings.allowsDeletion
    options.gathersWrites = settings.gathersWrites
    options.owner.userID = settings.userID ?? options.owner.userID
    options.owner.groupID = settings.groupID ?? options.owner.groupID
    options.metricsPermissions = settings.metricsMode ?? options.metricsPermissions
    let files = try FileSystem(manager: manager, control: control, options: options)
    return try FuseMount.mount(files, notifier: notifier, options: settings.fuseOptions, logger: logger) {
      () throws(AofError) in try takePlace(manager.observation)
    }
  }

  /// Takes dead mounts away at the last moment: until then nobody could write below them.
  /// - Returns: whether somebody did so now. That is hidden, and told of: a mount that does not come back would be worse.
  private func takePlace(_ observation: Observation) throws(AofError) -> Bool {
    guard try MountPointCheck.takeAwayDeadMounts(settings.mountPoint) else { return false }
    logger.warning("took away the dead mount at \(settings.mountPoint)")
    let names = try SystemDisk().list(settings.mountPoint)
    for name in names {
      let message = "\(ControlQuoting.line(name)) was written to \(settings.mountPoint) while nothing was mounted there, and is hidden now"
      observation.report(.incident(.other, message, isRepeated: false))
    }
    return true
  }
}

/// Finds out from outside whether the mount answers.
struct MountProbe: Sendable {
  let mountPoint: String
  let reporter: ReadyReporter
  let logger: Logger
  /// Called once, when the mount answers.
  let whenReady: @Sendable () -> Void

  /// Blocks until the mount answers or fails. For a thread of its own, since the others answer it.
  func run() {
    do throws(AofError) {
      _ = try PathFacts.fileSystem(of: mountPoint)
      let entry = try MountTable.current().entry(at: mountPoint)
      // An early end of the mount shows the directory below it, which answers too.
      guard try FileFacts(of: mountPoint).isDirectory, entry?.type == MountedStore.type else { return }
      logger.notice("mounted", metadata: ["mountpoint": "\(mountPoint)"])
      whenReady()
      reporter.report(.ready)
    } catch {
      reporter.report(ReadyReport(error))
    }
  }
}
