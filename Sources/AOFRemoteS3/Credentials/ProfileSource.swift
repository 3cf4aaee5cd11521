import AOFCore
import AOFSystem
import Foundation

/// A profile of the files that AWS's own tools share: keys, a role, or a program that prints keys. Read anew each time, so
/// that keys may be exchanged in them.
struct ProfileSource: CredentialSource {
  let environment: AwsEnvironment
  let roles: SecurityTokenService
  let machine: [any CredentialSource]
  /// Ends programs.
  let stop: StopSignal

  var name: String { "profile '\(environment.profile)'" }

  /// Profiles that name each other; more are a circle.
  private static let deepest = 8
  /// How long a program may take to print credentials, in milliseconds: some ask people.
  private static let programTime = 60_000

  func find() -> CredentialFinding { find(environment.profile, depth: 0) }

  private func find(_ profile: String, depth: Int) -> CredentialFinding {
    guard depth < Self.deepest else { return .failed("its source_profiles lead in a circle") }
    let (found, problems) = lookUp(profile)
    guard let section = found else {
      let reason = problems.isEmpty ? "HOME is not set" : problems.map(\.text).joined(separator: ", ")
      // Who names a profile, or a file, does not want whatever else there may be.
      let isWanted = depth > 0 || environment.isProfileNamed || problems.contains(where: \.isGrave)
      return isWanted ? .failed(reason) : .missing(reason)
    }
    if let arn = section["role_arn"] { return assume(arn, section, profile, depth) }
    if let keys = keys(in: section) { return keys }
    if let command = section["credential_process"] { return run(command) }
    if let other = ["sso_session", "sso_start_url"].first(where: { section[$0] != nil }) {
      return .failed("it has \(other), which is not followed; put keys in the environment")
    }
    let reason = (["it has no keys"] + problems.map(\.text)).joined(separator: ", ")
    return depth > 0 || problems.contains(where: \.isGrave) ? .failed(reason) : .missing(reason)
  }

  /// Why a file says nothing of a profile.
  private struct Problem {
    var text: String
    /// Whether it might: it cannot be read, or somebody names it and it is not there.
    var isGrave = false
  }

  /// What the files say of a profile; nil where none has it.
  private func lookUp(_ profile: String) -> (section: [String: String]?, problems: [Problem]) {
    var section: [String: String]?
    var problems: [Problem] = []
    let files = [
      (environment.credentialsFile, "AWS_SHARED_CREDENTIALS_FILE", false), (environment.configFile, "AWS_CONFIG_FILE", true),
    ]
    for case (let path?, let variable, let isConfig) in files {
      do throws(AofError) {
        switch try environment.section(of: profile, in: path, isConfig: isConfig) {
        // What the credentials file says of a profile counts more.
        case .found(let new): section = (section ?? [:]).merging(new) { first, _ in first }
        case .noSection: problems.append(Problem(text: "\(path) has no profile '\(profile)'"))
        case .noFile: problems.append(Problem(text: "there is no \(path)", isGrave: environment[variable] != nil))
        }
      } catch {
        problems.append(Problem(text: "\(path) cannot be read: \(error)", isGrave: true))
      }
    }
    return (section, problems)
  }

  /// Nil if there are none.
  private func keys(in section: [String: String]) -> CredentialFinding? {
    func value(_ name: String) -> String? { section[name].flatMap { $0.isEmpty ? nil : $0 } }
    switch (value("aws_access_key_id"), value("aws_secret_access_key")) {
    case (.none, .none): return nil
    case (.some, .none): return .failed("it has aws_access_key_id and no aws_secret_access_key")
    case (.none, .some): return .failed("it has aws_secret_access_key and no aws_access_key_id")
    case (.some(let id), .some(let secret)):
      return .found(AwsCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: section["aws_session_token"]))
    }
  }

  // MARK: Roles

  private func assume(
    _ arn: String, _ section: [String: String], _ profile: String, _ depth: Int
  ) -> CredentialFinding {
    let role = AssumedRole(
      arn: arn, sessionName: section["role_session_name"] ?? WebIdentitySource.sessionName,
      externalID: section["external_id"], duration: section["duration_seconds"])
    guard section["mfa_serial"] == nil else { return .failed("its role wants mfa_serial, and nobody is there to be asked") }
    do throws(CredentialFailure) {
      if let path = section["web_identity_token_file"] {
        return .found(try roles.assume(role, webIdentity: WebIdentitySource.token(path, environment)))
      }
      switch base(section, profile, depth) {
      case .found(let credentials): return .found(try roles.assume(role, with: credentials))
      case .missing(let reason): return .failed("what its role is taken on with: \(reason)")
      case .failed(let failure): return .failed(failure.within("what its role is taken on with"))
      }
    } catch {
      return .failed(error)
    }
  }

  /// The credentials that a role is taken on with.
  private func base(_ section: [String: String], _ profile: String, _ depth: Int) -> CredentialFinding {
    if let source = section["source_profile"] {
      // A profile may be its own source: then it has the keys too.
      if source == profile { return keys(in: section) ?? .failed("it has no keys") }
      return find(source, depth: depth + 1)
    }
    let names = ["Environment": "environment", "Ec2InstanceMetadata": "instance metadata", "EcsContainer": "container"]
    guard let source = section["credential_source"] else { return .failed("it has neither source_profile nor credential_source") }
    guard let found = machine.first(where: { $0.name == names[source] }) else {
      return .failed("it has the credential_source '\(source)', which is not known")
    }
    return found.find()
  }

  // MARK: Programs

  private func run(_ command: String) -> CredentialFinding {
    let output: [UInt8]
    do throws(AofError) {
      output = try environment.run(command, Self.programTime, stop)
    } catch {
      return .failed(Self.failure(error))
    }
    // What it printed holds secrets, and an error may quote it.
    guard let document = try? JSONDecoder().decode(ProcessOutput.self, from: Data(output)), document.Version == 1 else {
      return .failed("its credential_process printed something else than credentials")
    }
    var credentials = AwsCredentials(
      accessKeyID: document.AccessKeyId, secretAccessKey: document.SecretAccessKey, sessionToken: document.SessionToken)
    if let end = document.Expiration {
      guard let time = AwsCredentials.time(end) else { return .failed("its credential_process printed no time as Expiration") }
      credentials.expiration = time
    }
    return .found(credentials)
  }

  private static func failure(_ error: AofError) -> CredentialFailure {
    let kind: CredentialFailure.Kind =
      switch error.code {
      case .interrupted: .cancelled
      // It may have to ask somebody who is away for a moment.
      case .localFailure: .passing
      default: .lasting
      }
    return CredentialFailure("its credential_process failed: \(error.message)", kind)
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
      return .failed("AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not")
    }
    let role = AssumedRole(arn: arn, sessionName: environment["AWS_ROLE_SESSION_NAME"] ?? Self.sessionName)
    do throws(CredentialFailure) {
      return .found(try roles.assume(role, webIdentity: Self.token(path, environment)))
    } catch {
      return .failed(error)
    }
  }

  /// The file is read each time: it is exchanged for a new one before the token ends.
  static func token(_ path: String, _ environment: AwsEnvironment) throws(CredentialFailure) -> String {
    do throws(AofError) {
      return String(decoding: try environment.readFile(path), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    } catch {
      throw CredentialFailure("\(path) cannot be read: \(error)")
    }
  }
}
