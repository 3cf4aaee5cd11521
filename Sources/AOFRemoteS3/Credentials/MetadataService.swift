import Foundation

/// Asks the services that hand out temporary credentials. They are near, or not there at all: so it waits a short time.
struct MetadataService: Sendable {
  let requests: CredentialRequests

  /// How often it asks before it gives up.
  private static let attempts = 2

  /// The body of the answer, as text.
  func text(_ method: HTTPRequest.Method, _ url: String, headers: [(name: String, value: String)])
    throws(CredentialFailure) -> String
  {
    String(decoding: try body(method, url, headers: headers), as: UTF8.self)
  }

  /// The credentials of a JSON document.
  func credentials(_ url: String, headers: [(name: String, value: String)]) throws(CredentialFailure) -> AwsCredentials {
    let body = try body(.get, url, headers: headers)
    do {
      let document = try JSONDecoder().decode(Document.self, from: Data(body))
      if let code = document.Code, code != "Success" { throw CredentialFailure("\(url) says \(code)") }
      guard let id = document.AccessKeyId, let secret = document.SecretAccessKey else {
        throw CredentialFailure("\(url) names no keys")
      }
      var credentials = AwsCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: document.Token)
      if let end = document.Expiration {
        guard let time = AwsCredentials.time(end) else { throw CredentialFailure("\(url) names no time as the end") }
        credentials.expiration = time
      }
      return credentials
    } catch let failure as CredentialFailure {
      throw failure
    } catch {
      // The document holds secrets, and what the decoder says of it may quote them.
      throw CredentialFailure("\(url) answered with something else than credentials")
    }
  }

  private func body(_ method: HTTPRequest.Method, _ url: String, headers: [(name: String, value: String)])
    throws(CredentialFailure) -> [UInt8]
  {
    var request = HTTPRequest(method: method, url: url, headers: headers)
    request.connectTimeout = 1000
    request.stallTimeout = 2
    request.collectedLimit = 64 << 10
    request.mayUseProxy = url.hasPrefix("https://")
    if method == .put { request.body = UnsafeRawBufferPointer(start: nil, count: 0) }
    return try requests.ask(request, attempts: Self.attempts, of: url).body
  }

  /// As ECS, EKS and EC2 write it.
  private struct Document: Decodable {
    var Code: String?
    var AccessKeyId: String?
    var SecretAccessKey: String?
    var Token: String?
    var Expiration: String?
  }
}
