import AOFCore
import Glibc

/// A TCP port that connections come to. No call on it waits.
package final class ListeningSocket: Sendable {
  let descriptor: Int32
  /// Where it listens, `127.0.0.1:9100` or `[::1]:9100`, with the port that the system chose for port 0.
  package let address: String

  /// - Parameter text: `HOST:PORT`, `[IPV6]:PORT`, or `:PORT` for every address; HOST is a number.
  /// - Throws: `invalidArgument` for what is no address; what the system answered.
  package init(_ text: String) throws(AofError) {
    guard let (host, port) = Self.split(text) else {
      throw AofError(
        .invalidArgument, "'\(text)' is no address to listen on", remedy: "write 127.0.0.1:9100, [::1]:9100 or :9100")
    }
    var hints = addrinfo()
    hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let result = getaddrinfo(host.isEmpty ? nil : host, port, &hints, &found)
    defer { if let found { freeaddrinfo(found) } }
    guard result == 0, let address = found?.pointee else {
      throw AofError(
        .invalidArgument, "'\(text)' is no address to listen on: \(String(cString: gai_strerror(result)))",
        remedy: "write 127.0.0.1:9100, [::1]:9100 or :9100")
    }
    descriptor = try Self.listen(address, text)
    self.address = Self.name(of: descriptor) ?? text
  }

  deinit { close(descriptor) }

  private static func split(_ text: String) -> (host: String, port: String)? {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    var host = text[..<colon]
    let port = text[text.index(after: colon)...]
    guard !port.isEmpty, port.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() } else if host.contains(":") { return nil }
    return (String(host), String(port))
  }

  private static func listen(_ address: addrinfo, _ text: String) throws(AofError) -> Int32 {
    let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let descriptor = socket(address.ai_family, flags, 0)
    guard descriptor >= 0 else { throw .systemCall("socket", text, errno: errno) }
    var yes: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    guard bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: address.ai_addr), address.ai_addrlen) == 0, Glibc.listen(descriptor, 128) == 0 else {
      let error = errno
      close(descriptor)
      throw .systemCall("listen", text, errno: error, remedy: "choose an address and port that are free and yours")
    }
    return descriptor
  }

  private static func name(of descriptor: Int32) -> String? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
    let isKnown = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: pointer), &length) == 0
          && getnameinfo(
            pointer, length, &host, socklen_t(host.count), &port, socklen_t(port.count),
            NI_NUMERICHOST | NI_NUMERICSERV) == 0
      }
    }
    guard isKnown else { return nil }
    func text(_ bytes: [CChar]) -> String {
      String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    return text(host).contains(":") ? "[\(text(host))]:\(text(port))" : "\(text(host)):\(text(port))"
  }

  /// The next connection that is waiting; nil if none is, or it cannot be taken now.
  func accept() -> Connection? {
    let flags = Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let taken = accept4(descriptor, __SOCKADDR_ARG(__sockaddr__: nil), nil, flags)
    return taken >= 0 ? Connection(taken) : nil
  }
}

/// One client, on its way from a request to the end of the answer.
final class Connection {
  enum State {
    /// The bytes of the request so far.
    case reading([UInt8])
    /// The answer, and how much of it is sent.
    case writing([UInt8], sent: Int)
    /// The answer is sent, and what the client still sends is thrown away: closing on unread bytes would reset the
    /// connection, and the client could lose the answer.
    case draining
  }

  let descriptor: Int32
  var state = State.reading([])
  /// On the clock of ``SocketServer``, in milliseconds.
  var deadline: Int64 = 0

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  var awaited: Int16 {
    if case .writing = state { Int16(POLLOUT) } else { Int16(POLLIN) }
  }

  /// Does what can be done without waiting. False when the connection is over.
  func proceed(limit: Int, answer: ([UInt8]) -> [UInt8]?) -> Bool {
    switch state {
    case .reading(let request): return read(request, limit, answer)
    case .writing(let response, let sent): return write(response, sent)
    case .draining: return receive(limit).map { !$0.isEmpty } ?? true
    }
  }

  private func read(_ request: [UInt8], _ limit: Int, _ answer: ([UInt8]) -> [UInt8]?) -> Bool {
    guard let bytes = receive(max(1, limit - request.count)) else { return true }
    guard !bytes.isEmpty else { return false }
    let request = request + bytes
    guard let response = answer(request) else {
      state = .reading(request)
      return request.count < limit
    }
    state = .writing(response, sent: 0)
    return write(response, 0)
  }

  private func write(_ response: [UInt8], _ sent: Int) -> Bool {
    let count = response.withUnsafeBytes { bytes in
      send(descriptor, bytes.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
    }
    if count < 0 { return errno == EAGAIN || errno == EINTR }
    guard sent + count == response.count else {
      state = .writing(response, sent: sent + count)
      return true
    }
    shutdown(descriptor, Int32(SHUT_WR))
    state = .draining
    return true
  }

  /// What has come, at most `count` bytes: nothing at the end or after a failure, nil if nothing has come yet.
  private func receive(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    let received = recv(descriptor, &bytes, count, 0)
    if received < 0 { return errno == EAGAIN || errno == EINTR ? nil : [] }
    return Array(bytes.prefix(received))
  }
}
