import AOFCore

/// Sends requests for credentials, and again where that may help. Unlike those to the bucket few of them are tried, and
/// soon: whoever waits for an answer of the bucket waits for these, too, and tries again in turn.
struct CredentialRequests: Sendable {
  let session: S3Session

  /// - Parameters:
  ///   - attempts: how often it asks before it gives up.
  ///   - name: of whoever is asked, for messages.
  ///   - code: what an answer calls the reason of a refusal; nothing secret.
  func ask(
    _ request: HTTPRequest, attempts: Int, of name: String, code: (HTTPResponse) -> String? = { _ in nil }
  ) throws(CredentialFailure) -> HTTPResponse {
    let services = session.services
    let policy = RetryPolicy(firstPause: 200, longestPause: 1000, deadline: 5000, attempts: attempts)
    let start = services.clock.uptime()
    var attempt = 0
    while true {
      attempt += 1
      let failure: CredentialFailure
      do throws(HTTPFailure) {
        let response = try services.transport.perform(request)
        if response.isSuccess { return response }
        failure = Self.refusal(response, name, code(response))
      } catch {
        failure = Self.failure(error, name)
      }
      let elapsed = services.clock.uptime() - start
      let pause = policy.pause(after: attempt, elapsed: elapsed, asked: nil, random: services.random)
      if session.isClosing.withLock({ $0 }) { throw CredentialFailure(HTTPFailure.cancelled.message, .cancelled) }
      guard failure.kind == .passing, let pause else { throw failure }
      session.wait(milliseconds: pause)
    }
  }

  /// What passes though its status does not say so.
  private static let passing: Set<String> = [
    "Throttling", "ThrottlingException", "RequestLimitExceeded", "IDPCommunicationError", "InternalFailure", "ServiceUnavailable",
  ]

  private static func refusal(_ response: HTTPResponse, _ name: String, _ code: String?) -> CredentialFailure {
    let passes = response.status >= 500 || [408, 425, 429].contains(response.status) || code.map(passing.contains) == true
    var failure = CredentialFailure(
      "\(name) answered \(response.status)" + (code.map { " \($0)" } ?? ""), passes ? .passing : .lasting)
    failure.status = response.status
    failure.date = response.header("date")
    return failure
  }

  private static func failure(_ failure: HTTPFailure, _ name: String) -> CredentialFailure {
    if failure.kind == .cancelled { return CredentialFailure(failure.message, .cancelled) }
    return CredentialFailure("\(name): \(failure.message)", failure.isTransient ? .passing : .lasting)
  }
}
