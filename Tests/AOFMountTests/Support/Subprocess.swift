import CTestShims
import Glibc
import Synchronization

/// What a program that ended left behind.
struct ProgramResult: Sendable {
  /// The exit code; 128 + the signal if one ended it.
  let status: Int32
  let output: String
  let errors: String
}

struct Hang: Error, CustomStringConvertible {
  let description: String
}

/// A running program. Its output goes to files, so that it never waits for a reader.
final class Subprocess: Sendable {
  let pid: pid_t
  private let pidfd: Int32
  private let outputPath: String
  private let errorPath: String
  private let ended = Mutex<Int32?>(nil)

  convenience init(_ arguments: [String], outputTo folder: String) throws {
    let stem = "\(folder)/program-\(Self.number.wrappingAdd(1, ordering: .relaxed).newValue)"
    try self.init(arguments, output: stem + ".out", errors: stem + ".err")
  }

  init(_ arguments: [String], output: String, errors: String) throws {
    outputPath = output
    errorPath = errors
    pid = try Self.spawn(arguments, output: outputPath, errors: errorPath)
    pidfd = Int32(try check(test_pidfd_open(pid)))
  }

  deinit { close(pidfd) }

  private static let number = Atomic<Int>(0)

  private static func spawn(_ arguments: [String], output: String, errors: String) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    // Handles of other tests must not live on in this program: their mounts could not be unmounted.
    posix_spawn_file_actions_addclosefrom_np(&actions, 3)
    // Threads of a pool block most signals, and a program would inherit that: SIGTERM would not reach it.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var vector: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    vector.append(nil)
    defer { for argument in vector { free(argument) } }
    var pid: pid_t = 0
    let failure = posix_spawnp(&pid, arguments[0], &actions, &attributes, &vector, environ)
    guard failure == 0 else { throw SystemError(errno: failure) }
    return pid
  }

  /// Waits until the program has ended. Kills it and fails where that takes longer than any machine needs.
  @discardableResult
  func wait(guardSeconds: Int32 = 120) throws -> ProgramResult {
    if ended.withLock({ $0 }) == nil {
      var poller = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
      var ready: Int32
      repeat { ready = poll(&poller, 1, guardSeconds * 1000) } while ready < 0 && errno == EINTR
      if ready == 0 { signal(SIGKILL) }
      var raw: Int32 = 0
      while waitpid(pid, &raw, 0) < 0 && errno == EINTR {}
      let status = raw & 0x7f == 0 ? (raw >> 8) & 0xff : 128 + (raw & 0x7f)
      ended.withLock { $0 = status }
      if ready == 0 { throw Hang(description: "process \(pid) did not end; killed. It said: \(errors)") }
    }
    return ProgramResult(status: ended.withLock { $0 } ?? -1, output: output, errors: errors)
  }

  var isRunning: Bool {
    var poller = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
    return ended.withLock { $0 } == nil && poll(&poller, 1, 0) == 0
  }

  /// Sends a signal, unless the program was waited for.
  func signal(_ number: Int32) {
    if ended.withLock({ $0 }) == nil { kill(pid, number) }
  }

  var output: String { (try? text(outputPath)) ?? "" }
  var errors: String { (try? text(errorPath)) ?? "" }
  var endDescriptor: Int32 { pidfd }
}

/// Runs a program to its end.
@discardableResult
func run(_ arguments: [String], guardSeconds: Int32 = 120) throws -> ProgramResult {
  let folder = try TemporaryFolder()
  defer { folder.remove() }
  return try Subprocess(arguments, outputTo: folder.path).wait(guardSeconds: guardSeconds)
}

/// Runs a program to its end, whose output nobody wants.
@discardableResult
func runUnlogged(_ arguments: [String]) throws -> Int32 {
  try Subprocess(arguments, output: "/dev/null", errors: "/dev/null").wait().status
}

/// Waits for something that nobody announces (a foreign program's output), up to a guard of a minute.
func waitUntil(_ what: String, _ condition: () -> Bool) throws {
  for _ in 0..<3000 {
    if condition() { return }
    usleep(20_000)
  }
  throw Hang(description: "did not happen within a minute: \(what)")
}
