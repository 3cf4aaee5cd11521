import AOFCore
import Glibc

/// What started this process as a service and wants to know how it is: systemd, by sd_notify(3)'s protocol, which is one
/// datagram for each message.
package struct ServiceManager: Sendable {
  private let address: String

  /// Nil where nobody wants to know.
  package init?() {
    guard let value = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }) else { return nil }
    self.init(address: value)
  }

  /// - Parameter address: a path, or `@` and the name of an abstract socket.
  package init?(address: String) {
    guard address.hasPrefix("/") || (address.hasPrefix("@") && address.count > 1) else { return nil }
    self.address = address
  }

  package enum Message: Sendable {
    case ready(status: String)
    case status(String)
    case stopping(status: String)

    var text: String {
      switch self {
      case .ready(let status): "READY=1\nSTATUS=\(Self.line(status))"
      case .status(let status): "STATUS=\(Self.line(status))"
      case .stopping(let status): "STOPPING=1\nSTATUS=\(Self.line(status))"
      }
    }

    private static func line(_ text: String) -> String { text.split(whereSeparator: \.isNewline).joined(separator: " ") }
  }

  /// Never waits. A service manager that does not listen is none of our business, so a failure is not told.
  package func tell(_ message: Message) {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(address.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: name.sun_path) else { return }
    if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
    let length = MemoryLayout<sa_family_t>.size + bytes.count + (bytes.first == 0 ? 0 : 1)
    let text = Array(message.text.utf8)
    withUnsafePointer(to: &name) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        _ = sendto(
          descriptor, text, text.count, Int32(MSG_NOSIGNAL), __CONST_SOCKADDR_ARG(__sockaddr__: pointer),
          socklen_t(length))
      }
    }
  }
}

/// Whether what this process writes to standard error goes to systemd's journal, which JOURNAL_STREAM names.
package enum JournalStream {
  package static var isStandardError: Bool {
    guard let value = getenv("JOURNAL_STREAM").map({ String(cString: $0) }) else { return false }
    var facts = stat()
    guard fstat(2, &facts) == 0 else { return false }
    return value == "\(facts.st_dev):\(facts.st_ino)"
  }
}
