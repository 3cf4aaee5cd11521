import AOFSystem

/// HTTP over libcurl: a bounded number of handles, each used by one thread at a time and keeping its connection open
/// for the next one.
final class CurlTransport: HTTPTransport {
  /// How many requests may be under way at once; more wait.
  static let maximumHandles = 32

  private struct Pool {
    /// The one that was used last is the last: its connection is the least likely to have been closed meanwhile.
    var idle: [CurlHandle] = []
    var busy = 0
  }

  private let pool = Monitor(Pool())
  private let cancellation = Cancellation()
  private let caBundle: String?

  /// - Parameter caBundle: a file of certificates to trust in the place of the system's.
  init(caBundle: String? = nil) { self.caBundle = caBundle }

  func perform(_ request: HTTPRequest) throws(HTTPFailure) -> HTTPResponse {
    let handle = try take()
    defer { giveBack(handle) }
    return try handle.perform(request, caBundle: caBundle, cancellation)
  }

  func cancel() {
    cancellation.begin()
    pool.change { _ in }
  }

  private func take() throws(HTTPFailure) -> CurlHandle {
    let idle: CurlHandle?? = try pool.wait { pool throws(HTTPFailure) in
      guard !cancellation.hasBegun else { throw .cancelled }
      guard pool.busy < Self.maximumHandles else { return nil }
      pool.busy += 1
      return .some(pool.idle.popLast())
    }
    if case .some(.some(let handle)) = idle { return handle }
    do throws(HTTPFailure) {
      return try CurlHandle()
    } catch {
      pool.change { $0.busy -= 1 }
      throw error
    }
  }

  private func giveBack(_ handle: CurlHandle) {
    pool.change { pool in
      pool.busy -= 1
      pool.idle.append(handle)
    }
  }
}

/// Whether a transport was cancelled, and since when.
final class Cancellation: Sendable {
  /// What is under way may go on for so long: most of it comes to its end. In milliseconds.
  static let grace = 3000

  /// The uptime at which the grace ends; nil as long as nothing was cancelled.
  private let end = Lock<Int?>(nil)

  func begin() { end.withLock { $0 = SystemClock().uptime() + Self.grace } }

  var hasBegun: Bool { end.withLock { $0 != nil } }

  /// Whether the grace is over.
  var isOver: Bool { end.withLock { $0.map { SystemClock().uptime() >= $0 } ?? false } }
}

extension HTTPFailure {
  static var cancelled: HTTPFailure { HTTPFailure(kind: .cancelled, message: "the store is being closed") }
}
