import AOFCore
import AOFSystem
import Foundation

/// A role to take on, and for how long.
struct AssumedRole {
  var arn: String
  var sessionName: String
  var externalID: String?
  /// Seconds, as the profile writes it.
  var duration: String?
}

/// AWS's Security Token Service, or one that speaks like it: hands out temporary credentials for a role.
struct SecurityTokenService: Sendable {
  let environment: AwsEnvironment
  let requests: CredentialRequests
  let session: S3Session
  /// Where the store is in AWS; nil if it is not there.
  let storeRegion: String?

  private static let attempts = 3
  /// How far our time may be from the service's, in seconds: it refuses more than fifteen minutes.
  private static let largestSkew: UInt64 = 600

  /// For whoever proves who they are by a token of their identity provider.
  func assume(_ role: AssumedRole, webIdentity token: String) throws(CredentialFailure) -> AwsCredentials {
    var form = form("AssumeRoleWithWebIdentity", role)
    form.append(("WebIdentityToken", token))
    return try send(form, signedWith: nil)
  }

  /// For whoever has other credentials that may.
  func assume(_ role: AssumedRole, with credentials: AwsCredentials) throws(CredentialFailure) -> AwsCredentials {
    var form = form("AssumeRole", role)
    if let externalID = role.externalID { form.append(("ExternalId", externalID)) }
    return try send(form, signedWith: credentials)
  }

  private func form(_ action: String, _ role: AssumedRole) -> [(name: String, value: String)] {
    var form: [(name: String, value: String)] = [
      ("Action", action), ("Version", "2011-06-15"), ("RoleArn", role.arn), ("RoleSessionName", role.sessionName),
    ]
    if let duration = role.duration { form.append(("DurationSeconds", duration)) }
    return form
  }

  // MARK: Requests

  private var region: String { environment.region ?? storeRegion ?? S3Endpoint.defaultRegion }

  private var endpoint: String {
    guard var named = environment["AWS_ENDPOINT_URL_STS"] else {
      return "https://sts.\(region).amazonaws.com" + (region.hasPrefix("cn-") ? ".cn" : "")
    }
    if named.hasSuffix("/") { named.removeLast() }
    return named
  }

  private func send(
    _ form: [(name: String, value: String)], signedWith credentials: AwsCredentials?
  ) throws(CredentialFailure) -> AwsCredentials {
    guard ContainerSource.isTrusted(endpoint) else {
      throw CredentialFailure("AWS_ENDPOINT_URL_STS is neither https nor of this machine")
    }
    let body = Array(SignatureV4.query(form).utf8)
    let response = try body.withUnsafeBytes { bytes in
      Result { () throws(CredentialFailure) in
        do throws(CredentialFailure) {
          return try perform(bytes, credentials)
        } catch where credentials != nil && session.distance(to: error.date) > Self.largestSkew {
          // A wrong clock is not told from a wrong secret by what the service says.
          guard session.adjustClock(to: error.date, of: endpoint) else { throw error }
          return try perform(bytes, credentials)
        }
      }
    }.get()
    return try Self.credentials(S3Document(parsing: response.body), endpoint)
  }

  private func perform(
    _ body: UnsafeRawBufferPointer, _ credentials: AwsCredentials?
  ) throws(CredentialFailure) -> HTTPResponse {
    var request = HTTPRequest(method: .post, url: endpoint + "/", headers: headers(body, credentials))
    request.body = body
    request.collectedLimit = 64 << 10
    request.mayUseProxy = endpoint.hasPrefix("https://")
    return try requests.ask(request, attempts: Self.attempts, of: endpoint, code: Self.code)
  }

  private func headers(
    _ body: UnsafeRawBufferPointer, _ credentials: AwsCredentials?
  ) -> [(name: String, value: String)] {
    let now = session.now()
    var headers: [(name: String, value: String)] = [("Content-Type", "application/x-www-form-urlencoded")]
    guard let credentials else { return headers }
    headers.append(("x-amz-date", SignatureV4.format(now)))
    if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
    let host = endpoint.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).last.map(String.init) ?? ""
    let content = SignatureV4.Content(
      method: HTTPRequest.Method.post.rawValue, path: "/", headers: headers + [("host", host)],
      payloadHash: Digest.hexSHA256(body))
    let signature = SignatureV4(credentials: credentials, region: region, service: "sts")
    headers.append(("Authorization", signature.authorization(content, at: now)))
    return headers
  }

  // MARK: Answers

  /// The code that the service gives for a refusal; it says nothing secret.
  private static func code(_ response: HTTPResponse) -> String? {
    S3Document(parsing: response.body)?.first("Error")?["Code"]
  }

  private static func credentials(_ document: S3Document?, _ endpoint: String) throws(CredentialFailure) -> AwsCredentials {
    guard let found = document?.first("Credentials"), let id = found["AccessKeyId"], let secret = found["SecretAccessKey"],
      let token = found["SessionToken"], let end = found["Expiration"].flatMap(AwsCredentials.time)
    else { throw CredentialFailure("\(endpoint) answered with something else than credentials") }
    var credentials = AwsCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: token)
    credentials.expiration = end
    return credentials
  }
}

extension S3Document {
  /// The first element of that name, however deep it lies.
  fileprivate func first(_ name: String) -> S3Document? {
    if self.name == name { return self }
    return children.lazy.compactMap { $0.first(name) }.first
  }
}

extension AwsCredentials {
  /// `2026-01-31T12:00:00Z`, also with a fraction of a second; nil if it is no time.
  static func time(_ text: String) -> UnixTime? {
    let whole = text.replacing(#/\.[0-9]+/#, with: "")
    guard let date = try? Date(whole, strategy: .iso8601) else { return nil }
    return UnixTime(seconds: Int64(date.timeIntervalSince1970), nanoseconds: 0)
  }
}
