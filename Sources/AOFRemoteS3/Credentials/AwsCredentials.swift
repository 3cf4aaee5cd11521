import AOFCore

/// What requests are signed with. Never stored, printed or logged.
struct AwsCredentials: Hashable, Sendable {
  let accessKeyID: String
  let secretAccessKey: String
  /// Sent with every request where the credentials are temporary.
  var sessionToken: String?
  /// When they end; nil for never, as far as is known.
  var expiration: UnixTime?
}

extension AwsCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The key's id alone, which is no secret.
  var description: String { "key \(accessKeyID)" }
  var debugDescription: String { description }
  var customMirror: Mirror { Mirror(self, children: ["accessKeyID": accessKeyID]) }
}

/// One place where credentials may be.
protocol CredentialSource: Sendable {
  /// What it is called in messages.
  var name: String { get }
  /// Blocks on files, or on services of the machine.
  func find() -> CredentialFinding
}

/// What a place came to.
enum CredentialFinding: Equatable, Sendable {
  case found(AwsCredentials)
  /// Why there are none, as a clause.
  case missing(String)
}
