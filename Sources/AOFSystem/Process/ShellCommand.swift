import AOFCore
@preconcurrency import Glibc

/// Runs a command line of the user's, and takes what it prints.
package enum ShellCommand {
  /// What `/bin/sh -c` prints on its standard output; its input and its errors are `/dev/null`.
  ///
  /// - Parameters:
  ///   - limit: the most that is taken, in bytes.
  ///   - timeout: for how long it may run, in milliseconds. Then it is killed, with the processes that it has started.
  /// - Throws: `tooLarge`; `timedOut`; `localFailure` for one that fails; what the system answered.
  package static func output(of command: String, limit: Int, timeout: Int) throws(AofError) -> [UInt8] {
    let (reader, process) = try start(command)
    let result: Result<[UInt8], AofError>
    do throws(AofError) {
      result = .success(try read(reader, limit, until: SystemClock().uptime() + timeout))
    } catch {
      kill(-process, SIGKILL)
      result = .failure(error)
    }
    let ending = try Spawn.wait(for: process)
    let bytes = try result.get()
    guard ending == .exited(0) else { throw AofError(.localFailure, "the command ended with \(ending)") }
    return bytes
  }

  private static func read(_ reader: ByteStream, _ limit: Int, until end: Int) throws(AofError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      guard try reader.canBeRead(within: end - SystemClock().uptime()) else {
        throw AofError(.timedOut, "the command did not end in time")
      }
      let count = try buffer.withTypedMutableBytes { buffer throws(AofError) in try reader.read(into: buffer) }
      if count == 0 { return bytes }
      guard bytes.count + count <= limit else { throw AofError(.tooLarge, "the command printed more than \(limit) bytes") }
      bytes += buffer[..<count]
    }
  }

  /// Our own descriptor of the end that is written is closed: else the reading would not end.
  private static func start(_ command: String) throws(AofError) -> (output: ByteStream, process: Int32) {
    let pipe = try Pipe.open()
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, pipe.writer.descriptor, 1)
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addclosefrom_np(&actions, 3)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    let arguments = ["sh", "-c", command]
    var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    argv.append(nil)
    defer { for argument in argv { free(argument) } }
    var process: pid_t = 0
    let result = withExtendedLifetime(pipe) { posix_spawn(&process, "/bin/sh", &actions, &attributes, argv, environ) }
    guard result == 0 else { throw .systemCall("posix_spawn", "/bin/sh", errno: result) }
    return (pipe.reader, process)
  }
}

extension ByteStream {
  /// Waits until there is something to read, or the end. - Returns: false if there is not within so many milliseconds.
  fileprivate func canBeRead(within milliseconds: Int) throws(AofError) -> Bool {
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    let count = poll(&request, 1, Int32(clamping: max(0, milliseconds)))
    if count < 0, errno != EINTR { throw .systemCall("poll", name, errno: errno) }
    return count > 0 || (count < 0 && milliseconds > 0)
  }
}
