import AOFCore
import AOFSystem
import Foundation

/// A profile of the files that AWS's own tools share: keys, a role, or a program that prints keys. Read anew each time, so
/// that keys may be exchanged in them.
struct ProfileSource: CredentialSource {
  let environment: AwsEnvironment
  let roles: SecurityTokenService
  let machine: [any CredentialSource]

  var name: String { "profile '\(environment.profile)'" }

  /// Profiles that name each other; more are a circle.
  private static let deepest = 8
  /// How long a program may take to print credentials, in milliseconds: some ask people.
  private static let programTime = 60_000

  func find() -> CredentialFinding { find(environment.profile, depth: 0) }

  private func find(_ profile: String, depth: Int) -> CredentialFinding {
    guard depth < Self.deepest else { return .missing("its source_profiles lead in a circle") }
    var section: [String: String] = [:]
    var reasons: [String] = []
    // What the credentials file says of a profile counts more.
    for (path, isConfig) in [(environment.credentialsFile, false), (environment.configFile, true)] {
      guard let path else { continue }
      do throws(AofError) {
        if let found = try environment.section(of: profile, in: path, isConfig: isConfig) {
          section.merge(found) { first, _ in first }
        } else {
          reasons.append("\(path) has no profile '\(profile)'")
        }
      } catch {
        reasons.append("\(path) cannot be read: \(error)")
      }
    }
    guard !section.isEmpty else { return .missing(reasons.isEmpty ? "HOME is not set" : reasons.joined(separator: ", ")) }
    if let arn = section["role_arn"] { return assume(arn, section, profile, depth) }
    if let keys = Self.keys(in: section) { return .found(keys) }
    if let command = section["credential_process"] { return run(command) }
    let other = ["sso_session", "sso_start_url"].first { section[$0] != nil }
    return .missing(
      other.map { "it has \($0), which is not followed; put keys in the environment" }
        ?? (["it has no keys"] + reasons).joined(separator: ", "))
  }

  private static func keys(in section: [String: String]) -> AwsCredentials? {
    guard let id = section["aws_access_key_id"], let secret = section["aws_secret_access_key"], !id.isEmpty,
      !secret.isEmpty
    else { return nil }
    return AwsCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: section["aws_session_token"])
  }

  // MARK: Roles

  private func assume(
    _ arn: String, _ section: [String: String], _ profile: String, _ depth: Int
  ) -> CredentialFinding {
    let role = AssumedRole(
      arn: arn, sessionName: section["role_session_name"] ?? WebIdentitySource.sessionName,
      externalID: section["external_id"], duration: section["duration_seconds"])
    guard section["mfa_serial"] == nil else { return .missing("its role wants mfa_serial, and nobody is there to be asked") }
    do throws(MetadataFailure) {
      if let path = section["web_identity_token_file"] {
        return .found(try roles.assume(role, webIdentity: WebIdentitySource.token(path, environment)))
      }
      switch base(section, profile, depth) {
      case .found(let credentials): return .found(try roles.assume(role, with: credentials))
      case .missing(let reason): return .missing("what its role is taken on with: \(reason)")
      }
    } catch {
      return .missing(error.message)
    }
  }

  /// The credentials that a role is taken on with.
  private func base(_ section: [String: String], _ profile: String, _ depth: Int) -> CredentialFinding {
    if let source = section["source_profile"] {
      // A profile may be its own source: then it has the keys too.
      if source == profile { return Self.keys(in: section).map { .found($0) } ?? .missing("it has no keys") }
      return find(source, depth: depth + 1)
    }
    let names = ["Environment": "environment", "Ec2InstanceMetadata": "instance metadata", "EcsContainer": "container"]
    guard let source = section["credential_source"] else { return .missing("it has neither source_profile nor credential_source") }
    guard let found = machine.first(where: { $0.name == names[source] }) else {
      return .missing("it has the credential_source '\(source)', which is not known")
    }
    return found.find()
  }

  // MARK: Programs

  private func run(_ command: String) -> CredentialFinding {
    let output: [UInt8]
    do throws(AofError) {
      output = try environment.run(command, Self.programTime)
    } catch {
      return .missing("its credential_process failed: \(error.message)")
    }
    // What it printed holds secrets, and an error may quote it.
    guard let document = try? JSONDecoder().decode(ProcessOutput.self, from: Data(output)), document.Version == 1 else {
      return .missing("its credential_process printed something else than credentials")
    }
    var credentials = AwsCredentials(
      accessKeyID: document.AccessKeyId, secretAccessKey: document.SecretAccessKey, sessionToken: document.SessionToken)
    if let end = document.Expiration {
      guard let time = AwsCredentials.time(end) else { return .missing("its credential_process printed no time as Expiration") }
      credentials.expiration = time
    }
    return .found(credentials)
  }

  private struct ProcessOutput: Decodable {
    var Version: Int
    var AccessKeyId: String
    var SecretAccessKey: String
    var SessionToken: String?
    var Expiration: String?
  }
}

/// A token of an identity provider, as EKS puts it into a pod, which is exchanged for the credentials of a role.
struct WebIdentitySource: CredentialSource {
  let environment: AwsEnvironment
  let roles: SecurityTokenService

  var name: String { "web identity" }

  /// What a session is called where nobody names it.
  static let sessionName = "aofs"

  func find() -> CredentialFinding {
    guard let path = environment["AWS_WEB_IDENTITY_TOKEN_FILE"] else {
      return .missing("AWS_WEB_IDENTITY_TOKEN_FILE is not set")
    }
    guard let arn = environment["AWS_ROLE_ARN"] else {
      return .missing("AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not")
    }
    let role = AssumedRole(arn: arn, sessionName: environment["AWS_ROLE_SESSION_NAME"] ?? Self.sessionName)
    do throws(MetadataFailure) {
      return .found(try roles.assume(role, webIdentity: Self.token(path, environment)))
    } catch {
      return .missing(error.message)
    }
  }

  /// The file is read each time: it is exchanged for a new one before the token ends.
  static func token(_ path: String, _ environment: AwsEnvironment) throws(MetadataFailure) -> String {
    do throws(AofError) {
      return String(decoding: try environment.readFile(path), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    } catch {
      throw MetadataFailure(message: "\(path) cannot be read: \(error)")
    }
  }
}
