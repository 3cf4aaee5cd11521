import AOFCore
import AOFRemote
import AOFSystem

@testable import AOFRemoteS3

/// A clock that stands still but for waits, which it notes.
final class ManualClock: WaitingClock {
  private struct State {
    var seconds: Int64
    var uptime = 0
    var waits: [Int] = []
  }

  private let state: Lock<State>

  init(seconds: Int64 = 1_800_000_000) { state = Lock(State(seconds: seconds)) }

  var waits: [Int] { state.withLock { $0.waits } }
  func now() -> UnixTime { UnixTime(seconds: state.withLock { $0.seconds }, nanoseconds: 0) }
  func uptime() -> Int { state.withLock { $0.uptime } }
  func advance(seconds: Int64) { state.withLock { $0.seconds += seconds } }
  func wait(milliseconds: Int, unless _: Monitor<Bool>) {
    state.withLock { state in
      state.uptime += milliseconds
      state.waits.append(milliseconds)
    }
  }
}

extension AwsEnvironment {
  /// An environment of the test's own.
  static func made(_ variables: [String: String], files: [String: String] = [:]) -> AwsEnvironment {
    AwsEnvironment(variables: variables) { path throws(AofError) in
      guard let text = files[path] else { throw AofError(.notFound, "no \(path)") }
      return Array(text.utf8)
    }
  }

  static let withKeys = made(["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hush"])
}

extension S3Session {
  /// Of a script, with the longest pause each time.
  convenience init(
    _ transport: ScriptedTransport, _ environment: AwsEnvironment = .made([:]), clock: ManualClock = ManualClock(),
    report: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    var services = S3Services(transport: transport)
    services.environment = environment
    services.clock = clock
    services.random = { $0.upperBound }
    services.report = report
    self.init(services)
  }

  /// The place of that name.
  func source(_ name: String) throws -> any CredentialSource {
    guard let source = credentialSources(region: nil).first(where: { $0.name == name }) else {
      throw AofError(.notFound, "there is no place '\(name)'")
    }
    return source
  }
}

extension CredentialFinding {
  /// Why there are none; nil if there are.
  var reason: String? {
    switch self {
    case .found: nil
    case .missing(let reason): reason
    case .failed(let failure): failure.message
    }
  }

  /// Nil unless there should be some.
  var failure: CredentialFailure? { if case .failed(let failure) = self { failure } else { nil } }
}

/// A store whose server is a script.
struct ScriptedStore {
  let transport: ScriptedTransport
  let clock = ManualClock()
  let reports = Lock<[String]>([])
  let store: S3Store

  init(
    _ transport: ScriptedTransport, at location: String = "s3://bucket/pre?endpoint=http://host:9&region=r",
    environment: AwsEnvironment = .withKeys, partSize: Int = 1000
  ) throws {
    self.transport = transport
    guard case .s3(let location) = try RemoteLocation(parsing: location, workingDirectory: "/") else {
      throw AofError(.invalidArgument, "\(location) is not in S3")
    }
    let reports = reports
    var services = S3Services(transport: transport)
    services.environment = environment
    services.clock = clock
    // The longest pause each time.
    services.random = { $0.upperBound }
    services.report = { message in reports.withLock { $0.append(message) } }
    store = try S3Store(location, services, partSize: partSize)
  }

  init(_ answers: ScriptedTransport.Answer...) throws {
    try self.init(ScriptedTransport(answers: answers))
  }

  func put(_ text: String, as key: String, _ condition: RemoteCondition = .always) throws -> RemoteOutcome {
    try Array(text.utf8).withUnsafeBytes { try store.put($0, as: RemoteKey(key), condition) }
  }

  func read(_ key: String, at offset: UInt64, count: Int) throws -> String {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes { try store.read(RemoteKey(key), at: offset, into: $0) }
    return String(decoding: bytes, as: UTF8.self)
  }

  func get(_ key: String, limit: Int = 1000) throws -> String? {
    try store.get(RemoteKey(key), limit: limit).map { String(decoding: $0, as: UTF8.self) }
  }
}

/// The error that is thrown; nil if none is.
func failure(_ body: () throws -> Void) -> AofError? {
  do {
    try body()
    return nil
  } catch {
    return error as? AofError ?? (error as? CredentialFailure)?.error
  }
}
