import AOFCore
import AOFFileSystem
import AOFSystem
import CFuse3
import Glibc
import Logging

/// A mounted file system.
///
/// ``mount(_:notifier:options:logger:)``, then ``serve(whenReady:)`` on a thread that may block for the life of
/// the mount; ``detach()`` and ``abort()`` end it from any other.
package final class FuseMount: Sendable {
  /// libfuse's session. Created by `mount`, destroyed at the end of `serve`; nothing here uses it in between
  /// but the loop and the notifier, which end before it does.
  private struct Session: @unchecked Sendable {  // immutable
    let pointer: OpaquePointer
    /// Balances the reference that libfuse's user data holds.
    let context: Unmanaged<MountContext>
  }

  /// The absolute path that is mounted on.
  package let mountPoint: String
  private let session: Session
  private let context: MountContext
  private let notifier: KernelNotifier
  private let maxWorkers: Int
  private let logger: Logger
  /// The mount as the kernel's table has it; nil where /proc cannot be read.
  private let mounted: MountTable.Entry?
  private let hasEnded = Monitor(false)

  private init(
    mountPoint: String, session: Session, context: MountContext, notifier: KernelNotifier, options: MountOptions,
    logger: Logger
  ) {
    self.mountPoint = mountPoint
    self.session = session
    self.context = context
    self.notifier = notifier
    maxWorkers = options.maxWorkers
    self.logger = logger
    mounted = try? MountTable.current().entry(at: mountPoint)
  }

  /// Mounts. Programs that use the mount wait until ``serve(whenReady:)`` runs.
  ///
  /// `notifier` is the kernel cache that `files` was made with. Root mounts by itself, others through
  /// fusermount3.
  /// - Parameter clear: called when all else is ready, to clear the place of what may go; returns whether the mount may hide files
  ///   that are in it then, though the options do not say so.
  /// - Throws: `notFound`, `notADirectory`, `notEmpty`, `busy`, and what the kernel or fusermount3 refuses.
  package static func mount(
    _ files: FileSystem, notifier: KernelNotifier, options: MountOptions, logger: Logger,
    clear: () throws(AofError) -> Bool = { false }
  ) throws(AofError) -> FuseMount {
    LibraryLog.install(logger)
    let context = MountContext(files: files, logger: logger)
    let retained = Unmanaged.passRetained(context)
    guard let pointer = newSession(options, files.options, userdata: retained.toOpaque()) else {
      retained.release()
      throw AofError(
        .invalidArgument, "libfuse refuses the mount options '\(options.optionText)': \(LibraryLog.lastMessage)")
    }
    let point: MountPoint
    do throws(AofError) {
      let mayHideFiles = try clear()
      point = try MountPoint(checking: options.mountPoint, mayHideFiles: options.mayHideFiles || mayHideFiles)
      try mount(pointer, on: point)
    } catch {
      fuse_session_destroy(pointer)
      retained.release()
      throw error
    }
    notifier.attach(pointer)
    return FuseMount(
      mountPoint: point.path, session: Session(pointer: pointer, context: retained), context: context,
      notifier: notifier, options: options, logger: logger)
  }

  private static func mount(_ session: OpaquePointer, on point: MountPoint) throws(AofError) {
    errno = 0
    guard fuse_session_mount(session, point.path) != 0 else { return }
    // Of fusermount3 nobody hears why.
    throw AofError(
      .system(errno: getuid() == 0 && errno != 0 ? errno : EPERM),
      "mounting on \(point.path) failed: \(LibraryLog.lastMessage)",
      remedy: getuid() == 0
        ? "" : "check that fusermount3 is installed, and for allow_other that /etc/fuse.conf has user_allow_other")
  }

  private static func newSession(
    _ options: MountOptions, _ fileSystem: FileSystemOptions, userdata: UnsafeMutableRawPointer
  ) -> OpaquePointer? {
    var arguments = fuse_args(argc: 0, argv: nil, allocated: 0)
    defer { fuse_opt_free_args(&arguments) }
    for argument in ["aofs", "-o", options.optionText] {
      guard fuse_opt_add_arg(&arguments, argument) == 0 else { return nil }
    }
    var operations = makeOperations(gathersWrites: fileSystem.gathersWrites)
    return fuse_session_new(&arguments, &operations, MemoryLayout<fuse_lowlevel_ops>.size, userdata)
  }

  /// Answers requests until the file system is unmounted and its last open file is closed. Call it once.
  ///
  /// `whenReady` is called when programs can use the mount. When this returns no request is under way, and the
  /// threads of the file system and of the notifier have ended; commands that were running are finished.
  /// - Throws: what kept it from taking requests; the file system is unmounted then too.
  package func serve(whenReady: @escaping @Sendable () -> Void = {}) throws(AofError) {
    let loop = SessionLoop(session: session.pointer, maxWorkers: maxWorkers, logger: logger) { [self] in
      widenReadAhead()
      whenReady()
    }
    var failure: AofError?
    do throws(AofError) { try loop.run() } catch { failure = error }
    if isMounted {
      // The connection was aborted or broke: what is left in the table answers ENOTCONN to everybody.
      do throws(AofError) { try detach() } catch { logger.warning("\(error)") }
    }
    context.parked.failAll(ENOTCONN)
    context.files.close()
    notifier.close()
    hasEnded.change { $0 = true }
    fuse_session_destroy(session.pointer)
    session.context.release()
    if let failure { throw failure }
  }

  /// Takes the mount out of sight at once; open files go on until they are closed, and then ``serve(whenReady:)``
  /// returns. Does nothing if that has happened. Blocks while fusermount3 runs.
  package func detach() throws(AofError) {
    if isMounted { try Self.detach(mountPoint) }
  }

  /// Takes what is mounted at a place out of sight; no mount is no failure. Blocks while fusermount3 runs.
  package static func detach(_ mountPoint: String) throws(AofError) {
    if geteuid() == 0 {
      guard umount2(mountPoint, Int32(MNT_DETACH)) == 0 || errno == EINVAL else {
        throw .systemCall("umount", mountPoint, errno: errno)
      }
    } else {
      try Command.run(["fusermount3", "-u", "-z", "-q", "--", mountPoint])
    }
  }

  /// The mount is to end: programs that wait for events or watermarks are answered, so that they do not keep it.
  package func prepareToEnd() { context.files.prepareToEnd() }

  /// Processes that have something of the mount open, or stand in it; at most `limit`.
  package func holders(limit: Int) -> [MountHolder] {
    mounted.flatMap(MountHolders.init)?.current(limit: limit) ?? []
  }

  /// Ends the connection at once: every request under way, and every later one on files that are still open,
  /// fails. For when ``detach()`` takes too long. Nothing that was acknowledged is lost.
  /// - Throws: where the kernel offers no way: only root can bring in the control files that are not mounted.
  package func abort() throws(AofError) {
    guard let connection = mounted?.fuseConnection, !hasEnded.withLock({ $0 }) else { return }
    try FuseConnection(number: connection).abort()
  }

  /// Whether our mount, and not another one, is still at the mount point.
  private var isMounted: Bool {
    guard let mounted else { return false }
    return (try? MountTable.current().entry(at: mountPoint)) == mounted
  }

  /// The kernel's default of 128 KiB makes sequential cold reads five times slower. Only root may change it.
  private func widenReadAhead() {
    guard let mounted, geteuid() == 0 else { return }
    let path = "/sys/class/bdi/\(mounted.device)/read_ahead_kb"
    do throws(AofError) { try ByteStream.open(path, .append).write("1024") } catch { logger.debug("\(error)") }
  }
}
