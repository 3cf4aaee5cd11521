import AOFCore
import Foundation

/// Why a service of the machine gave no credentials.
struct MetadataFailure: Error { let message: String }

/// Asks the services that hand out temporary credentials. They are near, or not there at all: so it waits a short time.
struct MetadataService: Sendable {
  let transport: any HTTPTransport

  /// How often it asks before it gives up.
  private static let attempts = 2

  /// The body of the answer, as text.
  func text(_ method: HTTPRequest.Method, _ url: String, headers: [(name: String, value: String)])
    throws(MetadataFailure) -> String
  {
    String(decoding: try body(method, url, headers: headers), as: UTF8.self)
  }

  /// The credentials of a JSON document.
  func credentials(_ url: String, headers: [(name: String, value: String)]) throws(MetadataFailure) -> AwsCredentials {
    let body = try body(.get, url, headers: headers)
    do {
      let document = try JSONDecoder().decode(Document.self, from: Data(body))
      if let code = document.Code, code != "Success" { throw MetadataFailure(message: "\(url) says \(code)") }
      guard let id = document.AccessKeyId, let secret = document.SecretAccessKey else {
        throw MetadataFailure(message: "\(url) names no keys")
      }
      var credentials = AwsCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: document.Token)
      if let end = document.Expiration {
        guard let time = AwsCredentials.time(end) else { throw MetadataFailure(message: "\(url) names no time as the end") }
        credentials.expiration = time
      }
      return credentials
    } catch let failure as MetadataFailure {
      throw failure
    } catch {
      // The document holds secrets, and what the decoder says of it may quote them.
      throw MetadataFailure(message: "\(url) answered with something else than credentials")
    }
  }

  private func body(_ method: HTTPRequest.Method, _ url: String, headers: [(name: String, value: String)])
    throws(MetadataFailure) -> [UInt8]
  {
    var request = HTTPRequest(method: method, url: url, headers: headers)
    request.connectTimeout = 1000
    request.stallTimeout = 2
    request.collectedLimit = 64 << 10
    request.mayUseProxy = url.hasPrefix("https://")
    if method == .put { request.body = UnsafeRawBufferPointer(start: nil, count: 0) }
    return try transport.ask(request, attempts: Self.attempts, of: url).body
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

extension HTTPTransport {
  /// Sends a request for credentials, and again where that may help.
  /// - Parameters:
  ///   - name: of whoever is asked, for messages.
  ///   - reason: what a refusal says beside its status; nothing secret.
  func ask(
    _ request: HTTPRequest, attempts: Int, of name: String, reason: (HTTPResponse) -> String = { _ in "" }
  ) throws(MetadataFailure) -> HTTPResponse {
    var attempt = 0
    while true {
      attempt += 1
      let response: HTTPResponse
      do throws(HTTPFailure) {
        response = try perform(request)
      } catch {
        if error.isTransient, attempt < attempts { continue }
        throw MetadataFailure(message: "\(name): \(error.message)")
      }
      if response.isSuccess { return response }
      if response.status >= 500, attempt < attempts { continue }
      throw MetadataFailure(message: "\(name) answered \(response.status)" + reason(response))
    }
  }
}
