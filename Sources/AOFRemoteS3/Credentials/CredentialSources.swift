import AOFCore

/// The environment variables `AWS_ACCESS_KEY_ID` and its companions.
struct EnvironmentSource: CredentialSource {
  let environment: AwsEnvironment

  var name: String { "environment" }

  func find() -> CredentialFinding {
    switch (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]) {
    case (.none, .none): .missing("AWS_ACCESS_KEY_ID is not set")
    case (.some, .none): .failed("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not")
    case (.none, .some): .failed("AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not")
    case (.some(let id), .some(let secret)):
      .found(AwsCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: environment["AWS_SESSION_TOKEN"]))
    }
  }
}

/// The service that hands credentials to a container (ECS, EKS Pod Identity).
struct ContainerSource: CredentialSource {
  let environment: AwsEnvironment
  let service: MetadataService

  var name: String { "container" }

  private static let host = "http://169.254.170.2"

  func find() -> CredentialFinding {
    let url: String
    if let path = environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
      url = Self.host + path
    } else if let full = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
      guard Self.isTrusted(full) else {
        return .failed("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor of this machine")
      }
      url = full
    } else {
      return .missing("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set")
    }
    do throws(CredentialFailure) {
      let token = try token()
      return .found(try service.credentials(url, headers: token.map { [("Authorization", $0)] } ?? []))
    } catch {
      return .failed(error)
    }
  }

  /// The file is read each time: it is exchanged for a new one before it ends.
  private func token() throws(CredentialFailure) -> String? {
    guard let path = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] else {
      return environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    }
    do throws(AofError) {
      let text = String(decoding: try environment.readFile(path), as: UTF8.self)
      let token = text.split(whereSeparator: \.isNewline).first.map(String.init)
      return token
    } catch {
      throw CredentialFailure("\(path) cannot be read: \(error)")
    }
  }

  /// Credentials come in the clear only from this machine.
  static func isTrusted(_ url: String) -> Bool {
    if url.hasPrefix("https://") { return true }
    guard url.hasPrefix("http://") else { return false }
    // Nothing but a host and a port: what else stands before the path, as in "127.0.0.1:80@example.com", is there to deceive.
    guard let match = url.dropFirst("http://".count).prefixMatch(of: #/(\[[0-9a-f:]+\]|[a-z0-9.]+)(:[0-9]+)?(?=[/?]|$)/#) else {
      return false
    }
    let host = String(match.1)
    return host == "localhost" || host.wholeMatch(of: #/127\.[0-9.]+/#) != nil
      || ["169.254.170.2", "169.254.170.23", "[::1]", "[fd00:ec2::23]"].contains(host)
  }
}

/// The metadata service of a virtual machine, in its second version, which asks for a token first.
struct InstanceSource: CredentialSource {
  let environment: AwsEnvironment
  let service: MetadataService

  var name: String { "instance metadata" }

  func find() -> CredentialFinding {
    guard environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() != "true" else {
      return .missing("AWS_EC2_METADATA_DISABLED is set")
    }
    var host = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254"
    if host.hasSuffix("/") { host.removeLast() }
    let token: String
    do throws(CredentialFailure) {
      token = try service.text(
        .put, host + "/latest/api/token", headers: [("X-aws-ec2-metadata-token-ttl-seconds", "21600")])
    } catch {
      // Where the machine is none of EC2's nobody answers, or somebody who knows of no tokens.
      let isThere = error.kind == .cancelled || error.status >= 500
      return isThere ? .failed(error) : .missing(error.message)
    }
    let headers = [(name: "X-aws-ec2-metadata-token", value: token)]
    let roles = host + "/latest/meta-data/iam/security-credentials/"
    do throws(CredentialFailure) {
      let names: String
      do throws(CredentialFailure) {
        names = try service.text(.get, roles, headers: headers)
      } catch where error.status == 404 {
        return .missing("the machine has no role")
      }
      guard let role = names.split(whereSeparator: \.isNewline).first else { return .missing("the machine has no role") }
      return .found(try service.credentials(roles + role, headers: headers))
    } catch {
      return .failed(error)
    }
  }
}
