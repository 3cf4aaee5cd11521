import AOFCore
@preconcurrency import Glibc

/// Starting a process without fork, whose child may run nothing but exec in a program with threads.
package enum Spawn {
  /// Where the child finds the descriptor that was handed to it.
  package static let handedDescriptor: Int32 = 3

  /// How a child ended.
  package enum Ending: Equatable, Sendable {
    case exited(Int32)
    case killed(signal: Int32)
  }

  /// Starts this program anew, in a session of its own, with `/` as its directory, `/dev/null` as its input
  /// and output, and no descriptor of ours but `handed`, which it gets as ``handedDescriptor``.
  ///
  /// - Parameters:
  ///   - arguments: with the name of the program in front.
  ///   - errorLog: opened for appending as the child's standard error; nil for `/dev/null`.
  /// - Returns: the child's process id.
  /// - Throws: what the system answered; a log file that cannot be opened is named.
  package static func daemon(
    _ arguments: [String], handing handed: ByteStream, errorLog: String?
  ) throws(AofError) -> Int32 {
    if let errorLog { _ = try ByteStream.open(errorLog, .appendCreating) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // The handed descriptor moves first: the ones below may be opened over its number.
    posix_spawn_file_actions_adddup2(&actions, handed.descriptor, handedDescriptor)
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(
      &actions, 2, errorLog ?? "/dev/null", O_WRONLY | O_APPEND | O_CREAT, 0o640)
    posix_spawn_file_actions_addclosefrom_np(&actions, handedDescriptor + 1)
    posix_spawn_file_actions_addchdir_np(&actions, "/")
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSID))

    var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    argv.append(nil)
    defer { for argument in argv { free(argument) } }
    var process: pid_t = 0
    let program = programPath
    let result = withExtendedLifetime(handed) {
      posix_spawn(&process, program, &actions, &attributes, argv, environ)
    }
    guard result == 0 else { throw .systemCall("posix_spawn", program, errno: result) }
    return process
  }

  /// This program's file. By its own name, after which the kernel names the process; a file that was replaced
  /// since we started is still reached through /proc.
  private static var programPath: String {
    let link = "/proc/self/exe"
    guard let path = realpath(link, nil) else { return link }
    defer { free(path) }
    return access(path, X_OK) == 0 ? String(cString: path) : link
  }

  /// Waits until a child ends.
  package static func wait(for process: Int32) throws(AofError) -> Ending {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 {
      if errno == EINTR { continue }
      throw .systemCall("waitpid", "\(process)", errno: errno)
    }
    let signal = status & 0x7F
    return signal == 0 ? .exited((status >> 8) & 0xFF) : .killed(signal: signal)
  }

  /// Keeps a handed descriptor from being inherited in turn, and wraps it.
  package static func takeHanded(_ descriptor: Int32) -> ByteStream {
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return ByteStream(name: "pipe", descriptor: descriptor, isOwned: true)
  }
}
