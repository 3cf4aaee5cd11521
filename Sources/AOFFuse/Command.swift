import AOFCore
import Glibc

/// Runs another program.
enum Command {
  /// Waits for the program to end. - Throws: if it cannot be started or does not succeed.
  static func run(_ arguments: [String]) throws(AofError) {
    let name = arguments.first ?? ""
    var strings: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    strings.append(nil)
    defer { for string in strings { free(string) } }
    var process = pid_t()
    let result = posix_spawnp(&process, name, nil, nil, strings, environ)
    guard result == 0 else { throw .systemCall("posix_spawn", name, errno: result) }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else { throw .systemCall("waitpid", name, errno: errno) }
    }
    guard status == 0 else {
      throw AofError(.system(errno: EIO), "'\(arguments.joined(separator: " "))' failed")
    }
  }
}
