import AOFCore
import CAofsShims
@preconcurrency import Glibc

/// One run of `/bin/sh -c`, in a process group of its own. One thread at a time.
final class CommandRun {
  let process: Int32
  private let output: ByteStream
  private let errors: ByteStream
  /// Readable once the process has ended.
  private let ending: ByteStream
  private var complaints: [UInt8] = []

  /// How long a process that is killed may take to be gone, in milliseconds: one that hangs in the kernel stays.
  private static let dyingTime = 1000
  /// The most that is kept of what it writes to its standard error, in bytes.
  private static let complaintLimit = 1000

  init(_ command: String) throws(AofError) {
    let (output, errors) = (try Pipe.open(), try Pipe.open())
    process = try Self.spawn(command, output.writer, errors.writer)
    // Our own descriptors of the ends that are written are closed with this: else the reading would not end.
    self.output = output.reader
    self.errors = errors.reader
    let descriptor = aofs_pidfd_open(process)
    guard descriptor >= 0 else {
      let error = errno
      Glibc.kill(-process, SIGKILL)
      _ = try? Spawn.wait(for: process)
      throw .systemCall("pidfd_open", "\(process)", errno: error)
    }
    ending = ByteStream(name: "process \(process)", descriptor: descriptor, isOwned: true)
  }

  private static func spawn(_ command: String, _ output: ByteStream, _ errors: ByteStream) throws(AofError) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output.descriptor, 1)
    posix_spawn_file_actions_adddup2(&actions, errors.descriptor, 2)
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
    let result = withExtendedLifetime((output, errors)) {
      posix_spawn(&process, "/bin/sh", &actions, &attributes, argv, environ)
    }
    guard result == 0 else { throw .systemCall("posix_spawn", "/bin/sh", errno: result) }
    return process
  }

  /// What it prints until it ends. It is not reaped yet then.
  func collect(_ limit: Int, until end: Int, _ stopped: ByteStream?) throws(AofError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    // A negative descriptor is passed over.
    var watched = [output.descriptor, errors.descriptor, ending.descriptor, stopped?.descriptor ?? -1].map {
      pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
    }
    while true {
      let left = end - SystemClock().uptime()
      guard left > 0 else { throw AofError(.timedOut, "the command did not end in time") }
      guard poll(&watched, nfds_t(watched.count), Int32(clamping: left)) >= 0 else {
        if errno == EINTR { continue }
        throw .systemCall("poll", "pipe", errno: errno)
      }
      if watched[3].revents != 0 { throw AofError(.interrupted, "the command is not waited for any more") }
      // What it printed before its end is still there after it.
      if watched[0].revents == 0, watched[1].revents == 0, watched[2].revents != 0 { return bytes }
      for (index, stream) in [output, errors].enumerated() where watched[index].revents != 0 {
        let count = try buffer.withTypedMutableBytes { buffer throws(AofError) in try stream.read(into: buffer) }
        if count == 0 { watched[index].fd = -1 }
        if index == 0 { bytes += buffer[..<count] } else { complaints += buffer[..<count].prefix(Self.complaintLimit - complaints.count) }
      }
      guard bytes.count <= limit else { throw AofError(.tooLarge, "the command printed more than \(limit) bytes") }
    }
  }

  /// The first line that it wrote to its standard error, in characters that can be shown.
  var complaint: String {
    let lines = String(decoding: complaints, as: UTF8.self).split(whereSeparator: \.isNewline)
    let first = lines.lazy.map { $0.filter { !$0.unicodeScalars.contains { $0.properties.generalCategory == .control } } }
    return first.first { !$0.allSatisfy(\.isWhitespace) }.map { String($0.prefix(200)) } ?? ""
  }

  /// Kills it, with the processes that it has started.
  func kill() {
    Glibc.kill(-process, SIGKILL)
    var watched = pollfd(fd: ending.descriptor, events: Int16(POLLIN), revents: 0)
    if poll(&watched, 1, Int32(Self.dyingTime)) > 0 { _ = try? Spawn.wait(for: process) }
  }
}
