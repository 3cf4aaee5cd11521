import AOFCore

/// What requests are signed with. Never stored, printed or logged.
struct AwsCredentials: Hashable, Sendable {
  let accessKeyID: String
  let secretAccessKey: String
  /// Sent with every request where the credentials are temporary.
  let sessionToken: String?
  /// When they end; nil for never, as far as is known.
  var expiration: UnixTime?

  /// - Parameter sessionToken: an empty one is none, as lasting keys are written by some.
  init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil) {
    self.accessKeyID = accessKeyID
    self.secretAccessKey = secretAccessKey
    self.sessionToken = sessionToken.flatMap { $0.isEmpty ? nil : $0 }
  }
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
  /// Nobody says that there should be any, and the next place is asked. Why there are none, as a clause.
  case missing(String)
  /// There should be some. The next place is not asked: it might have those of somebody else.
  case failed(CredentialFailure)

  /// Lasting, for the reason.
  static func failed(_ message: String) -> CredentialFinding { .failed(CredentialFailure(message)) }
}

/// Why credentials that should be there cannot be had.
struct CredentialFailure: Error, Equatable {
  enum Kind: Hashable, Sendable {
    /// It has to be mended by people.
    case lasting
    /// It may be over soon.
    case passing
    /// The store is being closed.
    case cancelled
  }

  /// As a clause; nothing secret.
  var message: String
  var kind = Kind.lasting
  /// Of an answer that refuses them; 0 where none came.
  var status = 0
  /// The `Date` of that answer.
  var date: String?
  var remedy = ""

  init(_ message: String, _ kind: Kind = .lasting) {
    self.message = message
    self.kind = kind
  }

  var error: AofError { AofError(kind == .cancelled ? .interrupted : .remoteFailure, message, remedy: remedy) }

  /// The same, with more words in front.
  func within(_ what: String) -> CredentialFailure {
    var failure = self
    failure.message = "\(what): \(message)"
    return failure
  }
}
