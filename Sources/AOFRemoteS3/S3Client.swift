import AOFCore
import AOFRemote
import AOFSystem

/// One request to a bucket. INVARIANT: `body` and `destination` stay valid until it is answered.
struct S3Request {
  var method: HTTPRequest.Method
  /// The whole key, with the prefix; empty for the bucket itself.
  var key = ""
  var query: [(name: String, value: String)] = []
  var headers: [(name: String, value: String)] = []
  var body: UnsafeRawBufferPointer?
  var destination: UnsafeMutableRawBufferPointer?
  var collectedLimit = 1 << 20
  /// How long nothing may move, in seconds; a server may think long about some requests.
  var stallTimeout: Int?
  /// Nil for the client's own.
  var retry: RetryPolicy?
}

/// Signs requests to one bucket, sends them, and tries again what is worth it. Any number of threads at once.
final class S3Client: Sendable {
  let endpoint: S3Endpoint
  private let session: S3Session
  private let credentials: CredentialCache

  init(_ endpoint: S3Endpoint, _ session: S3Session, credentials: CredentialCache) {
    self.endpoint = endpoint
    self.session = session
    self.credentials = credentials
  }

  /// Sends a request until it succeeds, or trying again is of no use.
  ///
  /// - Parameter read: makes the result of an answer with 2xx. What it throws is judged like an answer without.
  /// - Throws: the last failure, with the number of tries.
  func send<Result>(
    _ request: S3Request, _ read: (HTTPResponse) throws(S3Failure) -> Result
  ) throws(S3FinalFailure) -> Result {
    let services = session.services
    let policy = request.retry ?? services.retry
    let start = services.clock.uptime()
    var hasAdjustedClock = false
    var hasRenewed = false
    var attempt = 0
    while true {
      attempt += 1
      let failure: S3Failure
      var key: AwsCredentials?
      do throws(S3Failure) {
        let current = try currentCredentials()
        key = current
        return try read(try perform(request, current, isFirst: attempt == 1))
      } catch {
        failure = error
      }
      switch failure.verdict {
      case .adjustClock where !hasAdjustedClock:
        hasAdjustedClock = true
        if session.adjustClock(to: failure.date, of: endpoint.origin) { continue }
      case .renewCredentials where !hasRenewed:
        hasRenewed = true
        if let key { credentials.reject(key) }
        continue
      case .retry:
        let pause = policy.pause(
          after: attempt, elapsed: services.clock.uptime() - start, asked: failure.retryAfter, random: services.random)
        if let pause, !session.isClosing.withLock({ $0 }) {
          session.wait(milliseconds: pause)
          continue
        }
      default: break
      }
      throw S3FinalFailure(failure: failure, attempts: attempt)
    }
  }

  /// Nothing is sent or repeated any more; what is under way ends soon.
  func cancel() { session.close() }

  private func currentCredentials() throws(S3Failure) -> AwsCredentials {
    do throws(CredentialFailure) { return try credentials.credentials() } catch { throw S3Failure(error) }
  }

  private func perform(
    _ request: S3Request, _ credentials: AwsCredentials, isFirst: Bool
  ) throws(S3Failure) -> HTTPResponse {
    let response: HTTPResponse
    do throws(HTTPFailure) {
      var sent = signed(request, credentials)
      sent.onFreshConnection = !isFirst
      response = try session.services.transport.perform(sent)
    } catch {
      throw S3Failure(error)
    }
    guard response.isSuccess else { throw S3Failure(response, to: request.method) }
    return response
  }

  // MARK: Signing

  private func signed(_ request: S3Request, _ credentials: AwsCredentials) -> HTTPRequest {
    let time = session.now()
    let path = SignatureV4.escape(endpoint.root + request.key, keepingSlashes: true)
    let payloadHash = Digest.hexSHA256(request.body)
    var headers = request.headers
    headers.append(("x-amz-content-sha256", payloadHash))
    headers.append(("x-amz-date", SignatureV4.format(time)))
    if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
    let content = SignatureV4.Content(
      method: request.method.rawValue, path: path, query: request.query, headers: headers + [("host", endpoint.host)],
      payloadHash: payloadHash)
    let signature = SignatureV4(credentials: credentials, region: endpoint.region)
    headers.append(("Authorization", signature.authorization(content, at: time)))
    let query = request.query.isEmpty ? "" : "?" + SignatureV4.query(request.query)
    var sent = HTTPRequest(method: request.method, url: endpoint.origin + path + query, headers: headers)
    sent.body = request.body
    sent.destination = request.destination
    sent.collectedLimit = request.collectedLimit
    if let stallTimeout = request.stallTimeout { sent.stallTimeout = stallTimeout }
    return sent
  }
}

/// What a request came to in the end.
struct S3FinalFailure: Error {
  let failure: S3Failure
  let attempts: Int
}
