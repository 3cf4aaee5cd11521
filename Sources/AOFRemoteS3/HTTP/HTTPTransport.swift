/// Sends one request and receives its answer: what tests replace. Blocks until the answer is whole.
protocol HTTPTransport: Sendable {
  /// - Throws: when no whole answer came. Any status is an answer.
  func perform(_ request: HTTPRequest) throws(HTTPFailure) -> HTTPResponse

  /// No request is sent from now on, and those under way have to end soon: the others fail with `cancelled`.
  func cancel()
}

/// One request. INVARIANT: `body` and `destination` stay valid until it is answered.
struct HTTPRequest {
  enum Method: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case put = "PUT"
    case post = "POST"
    case delete = "DELETE"
  }

  var method: Method
  var url: String
  /// Without `Host` and `Content-Length`, which follow from URL and body.
  var headers: [(name: String, value: String)] = []
  /// Nil for none at all.
  var body: UnsafeRawBufferPointer?
  /// Where the body of an answer with 2xx goes; nil to collect it.
  var destination: UnsafeMutableRawBufferPointer?
  /// The most that is collected of an answer with 2xx, in bytes. Of others it is ``longestError``, and the rest is cut off.
  var collectedLimit = 1 << 20
  /// Whether a connection that was used before may not be used: it may be why the last try failed.
  var onFreshConnection = false
  /// How long a connection may take to be made, in milliseconds.
  var connectTimeout = 5000
  /// How long nothing to speak of may move, in seconds.
  var stallTimeout = 15
  /// Whether it may go through the proxy that the environment names.
  var mayUseProxy = true

  /// The most that is collected of an answer other than 2xx, in bytes.
  static let longestError = 64 << 10
}

/// An answer, whatever its status.
struct HTTPResponse {
  var status: Int
  /// In the order received.
  var headers: [(name: String, value: String)] = []
  /// Empty where the body went to the request's destination.
  var body: [UInt8] = []
  /// How many bytes the body had, wherever they went.
  var bodyLength = 0

  /// The value of a header, whose name is given in lower case.
  func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name }?.value }

  var isSuccess: Bool { (200..<300).contains(status) }
}

/// Why no whole answer came.
struct HTTPFailure: Error, Sendable {
  enum Kind: Hashable, Sendable {
    /// The host has no address, or does not answer there.
    case unreachable
    /// Something began, and then nothing moved for too long.
    case timedOut
    /// The connection ended before the answer did.
    case interrupted
    /// The server's certificate does not prove what it should.
    case untrusted
    /// The answer is larger than the destination or the limit.
    case tooLarge
    /// The request cannot be sent as it is.
    case impossible
    /// The transport was cancelled.
    case cancelled
  }

  let kind: Kind
  let message: String

  /// Whether the same request may fare better later.
  var isTransient: Bool {
    switch kind {
    case .unreachable, .timedOut, .interrupted: true
    case .untrusted, .tooLarge, .impossible, .cancelled: false
    }
  }
}
