import CTestShims
import Foundation
import Glibc
import Synchronization

/// Whether this machine can mount at all. Where it cannot, the suites are skipped, and the run says so.
let canMount = access("/dev/fuse", R_OK | W_OK) == 0

/// Multiplies rounds and sizes.
let scale = max(1, Int(ProcessInfo.processInfo.environment["AOFS_TEST_SCALE"] ?? "") ?? 1)

/// The command under test: AOFS_BINARY, or the one beside the test products.
let aofs: String = {
  if let given = ProcessInfo.processInfo.environment["AOFS_BINARY"] { return given }
  let image = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
  let candidates =
    CommandLine.arguments.filter { $0.hasSuffix(".xctest") }.map { ($0 as NSString).deletingLastPathComponent }
    + [(image as NSString).deletingLastPathComponent]
  return candidates.map { $0 + "/aofs" }.first(where: FileManager.default.isExecutableFile) ?? "aofs"
}()

/// A store and a mount of it by a daemon of its own, on temporary folders.
final class MountFixture: Sendable {
  let folder: TemporaryFolder
  let store: String
  let point: String
  private let daemon = Mutex<Subprocess?>(nil)

  /// 128 KiB chunks: small data crosses many edges.
  static let smallChunks = ["--chunk-size", "128KiB"]

  init() throws {
    folder = try TemporaryFolder()
    store = folder.path + "/store"
    point = folder.path + "/mnt"
    try check(mkdir(point, 0o755))
  }

  /// A path below the mount.
  subscript(_ name: String) -> String { "\(point)/\(name)" }

  var process: Subprocess? { daemon.withLock { $0 } }

  /// Starts the daemon and returns once the mount answers.
  func start(_ options: [String] = []) throws {
    let process = try Subprocess([aofs, "mount", "-f", "--checkpoint-interval", "0", store, point] + options, outputTo: folder.path)
    daemon.withLock { $0 = process }
    guard try waitForMount(of: process) else {
      let result = try process.wait()
      throw Hang(description: "aofs mount ended with \(result.status) instead of mounting: \(result.errors)")
    }
    var type: Int64 = 0
    var length: Int64 = 0
    var blocks: Int64 = 0
    try check(test_statfs(point, &type, &length, &blocks))
  }

  var isMounted: Bool { mountsBelowFolder.contains(point) }

  /// Every mount point in the fixture's folder, newest last.
  private var mountsBelowFolder: [String] {
    let table = (try? text("/proc/self/mountinfo")) ?? ""
    return table.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      return fields.count > 4 && fields[4].hasPrefix(folder.path + "/") ? String(fields[4]) : nil
    }
  }

  /// Waits for the mount table to change until the mount is there; false if the process ended first.
  private func waitForMount(of process: Subprocess) throws -> Bool {
    let table = try Handle("/proc/self/mountinfo", O_RDONLY)
    while !isMounted {
      var waits = [
        pollfd(fd: table.fd, events: Int16(POLLPRI), revents: 0),
        pollfd(fd: process.endDescriptor, events: Int16(POLLIN), revents: 0),
      ]
      let ready = poll(&waits, 2, 120_000)
      if ready < 0 && errno == EINTR { continue }
      guard ready > 0 else {
        process.signal(SIGKILL)
        throw Hang(description: "no mount after two minutes: \(process.errors)")
      }
      if waits[1].revents != 0 { return false }
    }
    return true
  }

  /// `fusermount3 -u`, then the daemon's end. Returns how it ended.
  @discardableResult
  func unmount() throws -> ProgramResult {
    let result = try run(["fusermount3", "-u", point])
    guard result.status == 0 else { throw Hang(description: "fusermount3 -u: \(result.errors)") }
    return try awaitEnd()
  }

  /// Waits for the daemon's end.
  @discardableResult
  func awaitEnd() throws -> ProgramResult {
    guard let process else { throw Hang(description: "no daemon was started") }
    let result = try process.wait()
    daemon.withLock { $0 = nil }
    return result
  }

  /// SIGKILL, reaped, and the dead mount cleared away.
  func kill() throws {
    guard let process else { throw Hang(description: "no daemon was started") }
    process.signal(SIGKILL)
    try awaitEnd()
    try run(["fusermount3", "-uz", point])
  }

  func remount(_ options: [String] = []) throws {
    try unmount()
    try start(options)
  }

  /// Ends whatever still runs and removes the folders.
  func tearDown() {
    if let process {
      if isMounted { _ = try? run(["fusermount3", "-u", point], guardSeconds: 30) }
      if isMounted {
        process.signal(SIGKILL)
        _ = try? run(["fusermount3", "-uz", point])
      }
      _ = try? process.wait()
    }
    // What a test mounted that was to be refused goes too.
    for stray in mountsBelowFolder.reversed() { _ = try? run(["umount", "-l", stray]) }
    folder.remove()
  }
}

/// Runs a body on a fresh mount, and takes everything down again, whatever happens.
///
/// A daemon that hangs is killed after `guardSeconds`: its callers then get errors, and the test fails.
func withMount(
  _ options: [String] = MountFixture.smallChunks, guardSeconds: Int = 300, _ body: (MountFixture) throws -> Void
) throws {
  let fixture = try MountFixture()
  let done = DispatchSemaphore(value: 0)
  let watchdog = Thread {
    if done.wait(timeout: .now() + .seconds(guardSeconds)) == .timedOut { fixture.process?.signal(SIGKILL) }
  }
  watchdog.start()
  defer {
    done.signal()
    fixture.tearDown()
  }
  try fixture.start(options)
  try body(fixture)
}

extension MountFixture {
  /// Opens below the mount.
  func open(_ name: String, _ flags: Int32, mode: mode_t = 0o644) throws -> Handle {
    try Handle(self[name], flags, mode: mode)
  }

  /// A handle as `>>` opens it.
  func appender(_ name: String) throws -> Handle {
    try open(name, O_WRONLY | O_APPEND | O_CREAT)
  }

  /// A log with these bytes, in appends of at most `piece` bytes.
  func makeLog(_ name: String, _ bytes: [UInt8], piece: Int = 1 << 19) throws {
    let handle = try appender(name)
    var position = 0
    while position < bytes.count {
      position += try handle.write(Array(bytes[position..<min(position + piece, bytes.count)]))
    }
    try handle.close()
  }

  /// One command to a control file: "ok" or its errno, and the answer read back on the same handle.
  func control(_ command: String, at file: String = ".ctl/command") throws -> (outcome: String, answer: String) {
    let handle = try open(file, O_RDWR)
    let result = outcome { try handle.write(command) }
    return (result, String(decoding: try handle.read(1 << 20, at: 0), as: UTF8.self))
  }

  /// A command that has to succeed.
  func mustControl(_ command: String) throws {
    let (result, answer) = try control(command)
    guard result == "ok" else { throw Hang(description: "\(command): \(result): \(answer)") }
  }

  /// One of the five watermarks of a log.
  func watermark(_ name: String, of log: String) throws -> Int? {
    Int(try text(self[".ctl/logs/\(log)/\(name)_lsn"]).trimmingCharacters(in: .whitespacesAndNewlines))
  }
}
