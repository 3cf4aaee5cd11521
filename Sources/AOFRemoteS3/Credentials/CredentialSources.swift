import AOFCore

/// The environment variables `AWS_ACCESS_KEY_ID` and its companions.
struct EnvironmentSource: CredentialSource {
  let environment: AwsEnvironment

  var name: String { "environment" }

  func find() -> CredentialFinding {
    guard let id = environment["AWS_ACCESS_KEY_ID"] else { return .missing("AWS_ACCESS_KEY_ID is not set") }
    guard let secret = environment["AWS_SECRET_ACCESS_KEY"] else {
      return .missing("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not")
    }
    return .found(
      AwsCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: environment["AWS_SESSION_TOKEN"]))
  }
}

/// A profile of the files that AWS's own tools share. Read anew each time, so that keys may be exchanged in them.
struct ProfileSource: CredentialSource {
  let environment: AwsEnvironment

  var name: String { "profile '\(environment.profile)'" }

  func find() -> CredentialFinding {
    var reasons: [String] = []
    for (path, isConfig) in [(environment.credentialsFile, false), (environment.configFile, true)] {
      guard let path else { continue }
      do throws(AofError) {
        guard let section = try environment.section(of: environment.profile, in: path, isConfig: isConfig) else {
          reasons.append("\(path) has no such profile")
          continue
        }
        if let found = Self.credentials(in: section) { return .found(found) }
        reasons.append("\(path): \(Self.reason(section))")
      } catch {
        reasons.append("\(path) cannot be read: \(error)")
      }
    }
    return .missing(reasons.isEmpty ? "HOME is not set" : reasons.joined(separator: ", "))
  }

  private static func credentials(in section: [String: String]) -> AwsCredentials? {
    guard let id = section["aws_access_key_id"], let secret = section["aws_secret_access_key"], !id.isEmpty,
      !secret.isEmpty
    else { return nil }
    return AwsCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: section["aws_session_token"])
  }

  private static func reason(_ section: [String: String]) -> String {
    let others = ["role_arn", "sso_session", "sso_start_url", "credential_process", "web_identity_token_file"]
    guard let other = others.first(where: { section[$0] != nil }) else { return "the profile has no keys" }
    return "the profile has \(other), which is not followed; put keys in the environment"
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
        return .missing("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor of this machine")
      }
      url = full
    } else {
      return .missing("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set")
    }
    do throws(MetadataFailure) {
      let token = try token()
      return .found(try service.credentials(url, headers: token.map { [("Authorization", $0)] } ?? []))
    } catch {
      return .missing(error.message)
    }
  }

  /// The file is read each time: it is exchanged for a new one before it ends.
  private func token() throws(MetadataFailure) -> String? {
    guard let path = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] else {
      return environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    }
    do throws(AofError) {
      let text = String(decoding: try environment.readFile(path), as: UTF8.self)
      let token = text.split(whereSeparator: \.isNewline).first.map(String.init)
      return token
    } catch {
      throw MetadataFailure(message: "\(path) cannot be read: \(error)")
    }
  }

  /// Credentials come in the clear only from this machine.
  private static func isTrusted(_ url: String) -> Bool {
    if url.hasPrefix("https://") { return true }
    guard url.hasPrefix("http://") else { return false }
    let authority = url.dropFirst("http://".count).prefix { $0 != "/" && $0 != "?" }
    let host = authority.hasPrefix("[") ? authority.prefix { $0 != "]" } + "]" : authority.prefix { $0 != ":" }
    return host == "localhost" || host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." }
      || ["169.254.170.2", "169.254.170.23", "[::1]", "[fd00:ec2::23]"].contains(String(host))
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
    do throws(MetadataFailure) {
      let token = try service.text(
        .put, host + "/latest/api/token", headers: [("X-aws-ec2-metadata-token-ttl-seconds", "21600")])
      let headers = [(name: "X-aws-ec2-metadata-token", value: token)]
      let roles = host + "/latest/meta-data/iam/security-credentials/"
      guard let role = try service.text(.get, roles, headers: headers).split(whereSeparator: \.isNewline).first else {
        return .missing("the machine has no role")
      }
      return .found(try service.credentials(roles + role, headers: headers))
    } catch {
      return .missing(error.message)
    }
  }
}
