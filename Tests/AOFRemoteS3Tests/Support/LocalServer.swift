import AOFCore
import AOFSystem
import Glibc

/// A server on this machine that sends what it is told to, byte for byte, one answer for each request.
final class LocalServer: Sendable {
  enum Step: Sendable {
    case send(String)
    /// Waits until the server is let go of.
    case stall
    case close
  }

  let port: UInt16
  private let listener: Int32
  private let isOver = Monitor(false)
  private let received = Lock<[String]>([])
  private let connections = Lock(0)

  /// - Parameter script: for each request what is done; the last one for all further ones.
  init(_ script: [[Step]]) throws {
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = listener
    let isBound = withUnsafeMutablePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, __CONST_SOCKADDR_ARG(__sockaddr__: $0), size) == 0 && listen(listener, 16) == 0
          && getsockname(listener, __SOCKADDR_ARG(__sockaddr__: $0), &size) == 0
      }
    }
    guard isBound else { throw AofError(.system(errno: errno), "no port is free") }
    port = UInt16(bigEndian: address.sin_port)
    let (isOver, received, connections) = (isOver, received, connections)
    _ = try SystemThread.start("local-server") {
      var index = 0
      while true {
        let connection = accept(listener, __SOCKADDR_ARG(__sockaddr__: nil), nil)
        guard connection >= 0 else {
          // Not before: another server might get the number of a descriptor that this thread still accepts on.
          close(listener)
          return
        }
        connections.withLock { $0 += 1 }
        while let request = Self.readRequest(connection) {
          received.withLock { $0.append(request) }
          let steps = script[min(index, script.count - 1)]
          index += 1
          guard Self.run(steps, connection, isOver) else { break }
        }
        close(connection)
      }
    }
  }

  deinit {
    isOver.change { $0 = true }
    // Ends the thread's accept.
    shutdown(listener, Int32(SHUT_RDWR))
  }

  var url: String { "http://127.0.0.1:\(port)/x" }
  /// Head and body of each.
  var requests: [String] { received.withLock { $0 } }
  var connectionCount: Int { connections.withLock { $0 } }

  /// False if the connection is to end.
  private static func run(_ steps: [Step], _ connection: Int32, _ isOver: Monitor<Bool>) -> Bool {
    for step in steps {
      switch step {
      case .send(let text):
        _ = Array(text.utf8).withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      case .stall: isOver.wait { $0 ? () : nil }
      case .close: return false
      }
    }
    return true
  }

  private static func readRequest(_ connection: Int32) -> String? {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
      let text = String(decoding: bytes, as: UTF8.self)
      if let end = text.range(of: "\r\n\r\n") {
        let head = text[..<end.lowerBound].lowercased()
        let length = head.split(whereSeparator: \.isNewline).first { $0.hasPrefix("content-length:") }
          .flatMap { Int($0.dropFirst("content-length:".count).trimmingPrefix(" ")) }
        if text[end.upperBound...].utf8.count >= length ?? 0 { return text }
      }
      let count = recv(connection, &piece, piece.count, 0)
      guard count > 0 else { return nil }
      bytes += piece[..<count]
    }
  }
}
