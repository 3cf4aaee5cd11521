import AOFCore
import Glibc

/// Answers short requests on one thread, each connection with one answer.
///
/// Whatever clients do, its memory and its descriptors are bounded, and it goes on: requests are short, each connection
/// ends after a fixed time, and where there are too many the oldest one makes room.
package struct SocketServer {
  /// Connections at a time.
  package static let maximumConnections = 64
  /// From a connection's beginning to its end, in milliseconds.
  package static let connectionTime: Int64 = 10_000
  /// Bytes of a request.
  package static let longestRequest = 4096

  private let socket: ListeningSocket
  /// Oldest first.
  private var connections: [Connection] = []

  package init(_ socket: ListeningSocket) { self.socket = socket }

  /// Serves for good. `answer` gets the bytes of a request so far, and returns nil if it needs more; it may block.
  /// - Throws: what the system answered to poll(2).
  package mutating func run(_ answer: ([UInt8]) -> [UInt8]?) throws(AofError) -> Never {
    while true {
      var entries = [pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)]
      entries += connections.map { pollfd(fd: $0.descriptor, events: $0.awaited, revents: 0) }
      let wait = connections.map(\.deadline).min().map { max(0, $0 - Self.now) } ?? -1
      let count = poll(&entries, nfds_t(entries.count), Int32(clamping: wait))
      guard count >= 0 || errno == EINTR else { throw .systemCall("poll", socket.address, errno: errno) }
      proceed(count > 0 ? entries : [], answer)
    }
  }

  private mutating func proceed(_ entries: [pollfd], _ answer: ([UInt8]) -> [UInt8]?) {
    let now = Self.now
    let ready = Set(entries.dropFirst().filter { $0.revents != 0 }.map(\.fd))
    connections = connections.filter { connection in
      guard connection.deadline > now else { return false }
      guard ready.contains(connection.descriptor) else { return true }
      return connection.proceed(limit: Self.longestRequest, answer: answer)
    }
    guard entries.first?.revents != 0, !entries.isEmpty else { return }
    // One at a time, so that those that are here already are served in between.
    if connections.count >= Self.maximumConnections { connections.removeFirst() }
    if let new = socket.accept() {
      new.deadline = Self.now + Self.connectionTime
      connections.append(new)
    } else if !connections.isEmpty {
      // It may be for want of descriptors, and would be tried again without end.
      connections.removeFirst()
    }
  }

  private static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) &* 1000 &+ Int64(time.tv_nsec) / 1_000_000
  }
}
