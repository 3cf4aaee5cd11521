import AOFCore
import AOFSystem

/// The credentials that are used now. Blocks where there are none yet.
///
/// Temporary ones are replaced before they end, by one thread, while the others go on with the old ones.
final class CredentialCache: Sendable {
  /// How long before their end credentials are replaced, in seconds.
  static let renewalLead: Int64 = 300
  /// How long after a failed replacement the old ones are used before it is tried again, in seconds.
  static let renewalPause: Int64 = 30

  private struct State {
    var current: AwsCredentials?
    var isLoading = false
    /// Counts the loads that ended.
    var loads = 0
    /// What the last load threw.
    var failure: CredentialFailure?
    /// The place that has given credentials.
    var source: String?
    /// No replacement is tried before.
    var renewAfter: UnixTime?
  }

  private enum Step {
    case use(AwsCredentials)
    case load(old: AwsCredentials?)
    /// For the load with this number.
    case wait(for: Int)
  }

  private let sources: [any CredentialSource]
  private let clock: any WallClock
  private let state = Monitor(State())

  init(sources: [any CredentialSource], clock: any WallClock) {
    self.sources = sources
    self.clock = clock
  }

  /// - Throws: naming the place that failed, or all that were tried.
  func credentials() throws(CredentialFailure) -> AwsCredentials {
    let now = clock.now()
    switch state.withLock({ Self.step(&$0, now) }) {
    case .use(let credentials): return credentials
    case .load(let old): return try load(old: old)
    case .wait(let number):
      return try state.wait { state throws(CredentialFailure) in
        guard state.loads > number else { return nil }
        if let current = state.current { return current }
        throw state.failure ?? Self.none("the load brought none")
      }
    }
  }

  /// The server does not take these (any more): the next call loads others, unless that has happened already.
  func reject(_ credentials: AwsCredentials) {
    state.change { state in
      if state.current == credentials { state.current = nil }
    }
  }

  private static func step(_ state: inout State, _ now: UnixTime) -> Step {
    if let current = state.current {
      guard let end = current.expiration else { return .use(current) }
      let isOver = end <= now
      let isDue = end.seconds - renewalLead <= now.seconds && (state.renewAfter.map { $0 <= now } ?? true)
      if !isOver, !isDue || state.isLoading { return .use(current) }
      if !state.isLoading {
        state.isLoading = true
        return .load(old: isOver ? nil : current)
      }
      state.current = nil
    }
    if state.isLoading { return .wait(for: state.loads) }
    state.isLoading = true
    return .load(old: nil)
  }

  private func load(old: AwsCredentials?) throws(CredentialFailure) -> AwsCredentials {
    let previous = state.withLock { $0.source }
    let found = Result { () throws(CredentialFailure) in try search(previous) }
    let now = clock.now()
    return try state.change { state throws(CredentialFailure) in
      state.isLoading = false
      state.loads += 1
      switch found {
      case .success((let credentials, let source)):
        state.current = credentials
        state.source = source
        state.failure = nil
        // A service may hand out the same ones until shortly before their end.
        state.renewAfter = UnixTime(seconds: now.seconds + Self.renewalPause, nanoseconds: 0)
        return credentials
      case .failure(let error):
        state.failure = error
        state.renewAfter = UnixTime(seconds: now.seconds + Self.renewalPause, nanoseconds: 0)
        guard let old else {
          state.current = nil
          throw error
        }
        return old
      }
    }
  }

  /// The first place that has credentials. One that should have some and has none is the last that is asked: the next
  /// might have those of somebody else, who may do less, or more.
  /// - Parameter previous: the place that had some before, if any has.
  private func search(_ previous: String?) throws(CredentialFailure) -> (AwsCredentials, source: String) {
    var reasons: [String] = []
    for source in sources {
      switch source.find() {
      case .found(let credentials): return (credentials, source.name)
      case .failed(let failure):
        throw failure.kind == .cancelled ? failure : failure.within("no credentials for S3 can be had from \(source.name)")
      case .missing(let reason) where source.name == previous:
        var failure = CredentialFailure(
          "there are no more credentials for S3 where they came from, \(source.name): \(reason)", .passing)
        failure.remedy = "bring them back; to use those of another place unmount the store and mount it again"
        throw failure
      case .missing(let reason): reasons.append("\(source.name): \(reason)")
      }
    }
    throw Self.none(reasons.joined(separator: "; "))
  }

  private static func none(_ reasons: String) -> CredentialFailure {
    var failure = CredentialFailure("there are no credentials for S3 (\(reasons))")
    failure.remedy = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put them in ~/.aws/credentials"
    return failure
  }
}
