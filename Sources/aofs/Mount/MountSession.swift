import AOFCore
import AOFEngine
import AOFFileSystem
import AOFSystem
import Logging

/// A filesystem that is mounted.
protocol Serving: Sendable {
  /// Answers requests until it is unmounted.
  func serve() throws(AofError)
  /// Unmounts; what is open stays served until it is closed. For any thread.
  func detach()
  /// Cuts the connection: every request, now and later, fails. For any thread.
  func abort()
}

/// One mount, from opening the store to letting go of it.
struct MountSession {
  let settings: MountSettings
  let reporter: ReadyReporter
  private let logger = Logger(label: "aofs")

  init(settings: MountSettings, reporter: ReadyReporter) {
    self.settings = settings
    self.reporter = reporter
  }

  /// Returns when the mount has ended and everything is in the store.
  ///
  /// - Throws: what kept the mount from being made; `timedOut` if it had to be cut off; what closing the store
  ///   says.
  func run() throws(AofError) {
    let manager = try AofManager.open(settings.store, options: settings.storeOptions)
    let stopper: MountStopper
    do throws(AofError) {
      stopper = MountStopper(try mount(manager), stopTimeout: settings.stopTimeout, logger: logger)
      try serve(stopper)
    } catch {
      logger.error("\(error)")
      do throws(AofError) { try manager.close() } catch { logger.error("closing the store: \(error)") }
      throw error
    }
    try manager.close()
    logger.notice("unmounted", metadata: ["mountpoint": "\(settings.mountPoint)"])
    if stopper.wasCut {
      throw AofError(
        .timedOut, "\(settings.mountPoint) was still in use after the stop timeout and was cut off",
        remedy: "nothing that was written is lost; close what uses the mount before it is stopped")
    }
  }

  private func serve(_ stopper: MountStopper) throws(AofError) {
    try stopper.start()
    let probe = MountProbe(mountPoint: settings.mountPoint, reporter: reporter, logger: logger)
    _ = try SystemThread.start("probe") { probe.run() }
    defer { stopper.ended() }
    try stopper.mount.serve()
  }

  private func mount(_ manager: AofManager) throws(AofError) -> any Serving {
    throw AofError(.unsupported, "this build of aofs cannot mount")
  }
}

/// Finds out from outside whether the mount answers.
struct MountProbe: Sendable {
  let mountPoint: String
  let reporter: ReadyReporter
  let logger: Logger

  /// Blocks until the mount answers or fails. For a thread of its own, since the others answer it.
  func run() {
    do throws(AofError) {
      _ = try PathFacts.fileSystem(of: mountPoint)
      let entry = try MountTable.current().entries.last { $0.mountPoint == mountPoint }
      // An early end of the mount shows the directory below it, which answers too.
      guard try FileFacts(of: mountPoint).isDirectory, entry?.type == MountedStore.type else { return }
      logger.notice("mounted", metadata: ["mountpoint": "\(mountPoint)"])
      reporter.report(.ready)
    } catch {
      reporter.report(ReadyReport(error))
    }
  }
}
