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
  private let transport: any HTTPTransport
  private let credentials: CredentialCache
  private let clock: any WaitingClock
  private let policy: RetryPolicy
  private let random: @Sendable (ClosedRange<Int>) -> Int
  private let report: @Sendable (String) -> Void
  /// How far the server's clock is ahead of ours, in seconds; nil as long as it takes our time.
  private let skew = Lock<Int64?>(nil)
  private let isCancelled = Monitor(false)

  init(_ endpoint: S3Endpoint, _ services: S3Services, credentials: CredentialCache) {
    self.endpoint = endpoint
    transport = services.transport
    self.credentials = credentials
    clock = services.clock
    policy = services.retry
    random = services.random
    report = services.report
  }

  /// Sends a request until it succeeds, or trying again is of no use.
  ///
  /// - Parameter read: makes the result of an answer with 2xx. What it throws is judged like an answer without.
  /// - Throws: the last failure, with the number of tries.
  func send<Result>(
    _ request: S3Request, _ read: (HTTPResponse) throws(S3Failure) -> Result
  ) throws(S3FinalFailure) -> Result {
    let policy = request.retry ?? policy
    let start = clock.uptime()
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
        if adjustClock(failure.date) { continue }
      case .renewCredentials where !hasRenewed:
        hasRenewed = true
        if let key { credentials.reject(key) }
        continue
      case .retry:
        let pause = policy.pause(
          after: attempt, elapsed: clock.uptime() - start, asked: failure.retryAfter, random: random)
        if let pause, !isCancelled.withLock({ $0 }) {
          clock.wait(milliseconds: pause, unless: isCancelled)
          continue
        }
      default: break
      }
      throw S3FinalFailure(failure: failure, attempts: attempt)
    }
  }

  /// Nothing is sent or repeated any more; what is under way ends soon.
  func cancel() {
    isCancelled.change { $0 = true }
    transport.cancel()
  }

  private func currentCredentials() throws(S3Failure) -> AwsCredentials {
    do throws(AofError) { return try credentials.credentials() } catch { throw S3Failure(error) }
  }

  private func perform(
    _ request: S3Request, _ credentials: AwsCredentials, isFirst: Bool
  ) throws(S3Failure) -> HTTPResponse {
    let response: HTTPResponse
    do throws(HTTPFailure) {
      var sent = signed(request, credentials)
      sent.onFreshConnection = !isFirst
      response = try transport.perform(sent)
    } catch {
      throw S3Failure(error)
    }
    guard response.isSuccess else { throw S3Failure(response, to: request.method) }
    return response
  }

  // MARK: Signing

  private func signed(_ request: S3Request, _ credentials: AwsCredentials) -> HTTPRequest {
    let now = clock.now()
    let time = UnixTime(seconds: now.seconds + (skew.withLock { $0 } ?? 0), nanoseconds: 0)
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

  /// Signs with the server's time from now on. False if it is not known.
  private func adjustClock(_ date: String?) -> Bool {
    guard let date, let theirs = HTTPDate.seconds(date) else { return false }
    let difference = theirs - clock.now().seconds
    let isNew = skew.withLock { skew in
      defer { skew = difference }
      return skew == nil
    }
    if isNew {
      report(
        "this machine's clock is \(abs(difference)) s \(difference > 0 ? "behind" : "ahead of") that of "
          + "\(endpoint.origin); requests are signed with the server's time")
    }
    return true
  }
}

/// What a request came to in the end.
struct S3FinalFailure: Error {
  let failure: S3Failure
  let attempts: Int
}
