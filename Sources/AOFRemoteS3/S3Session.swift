import AOFCore
import AOFSystem

/// What all that is sent for a store has in common: the server's time, and whether the store is being closed.
final class S3Session: WallClock {
  let services: S3Services
  /// Ends pauses.
  let isClosing = Monitor(false)
  /// Ends programs that run for the store.
  let stop = StopSignal()
  /// How far the server's clock is ahead of ours, in seconds; nil as long as it takes our time.
  private let skew = Lock<Int64?>(nil)

  init(_ services: S3Services) { self.services = services }

  /// Nothing is sent or repeated any more; what is under way ends soon. Does not wait.
  func close() {
    isClosing.change { $0 = true }
    stop.give()
    services.transport.cancel()
  }

  func wait(milliseconds: Int) { services.clock.wait(milliseconds: milliseconds, unless: isClosing) }

  // MARK: Time

  /// The server's time, as far as its answers have told it; ours until then. Requests are signed with it, and the ends of
  /// credentials are times of it.
  func now() -> UnixTime {
    let seconds = services.clock.now().seconds.addingReportingOverflow(skew.withLock { $0 } ?? 0).partialValue
    return UnixTime(seconds: seconds, nanoseconds: 0)
  }

  /// How far the time of an answer is from ``now()``, in seconds; 0 if it is not known.
  func distance(to date: String?) -> UInt64 {
    date.flatMap(HTTPDate.seconds).map { $0.subtractingReportingOverflow(now().seconds).partialValue.magnitude } ?? 0
  }

  /// Goes by the server's time from now on. - Returns: false if it is not known.
  func adjustClock(to date: String?, of server: String) -> Bool {
    guard let theirs = date.flatMap(HTTPDate.seconds) else { return false }
    let difference = theirs.subtractingReportingOverflow(services.clock.now().seconds).partialValue
    let isNew = skew.withLock { skew in
      defer { skew = difference }
      return skew == nil
    }
    if isNew {
      services.report(
        "this machine's clock is \(difference.magnitude) s \(difference > 0 ? "behind" : "ahead of") that of "
          + "\(server); requests are signed with the server's time")
    }
    return true
  }

  // MARK: Credentials

  /// The places where credentials may be, in the order of AWS's own tools.
  /// - Parameter region: where the store is in AWS; nil if it is not there.
  func credentialSources(region: String?) -> [any CredentialSource] {
    let environment = services.environment
    let requests = CredentialRequests(session: self)
    let service = MetadataService(requests: requests)
    let roles = SecurityTokenService(environment: environment, requests: requests, session: self, storeRegion: region)
    let keys = EnvironmentSource(environment: environment)
    let machine: [any CredentialSource] = [
      ContainerSource(environment: environment, service: service),
      InstanceSource(environment: environment, service: service),
    ]
    return [
      keys, WebIdentitySource(environment: environment, roles: roles),
      ProfileSource(environment: environment, roles: roles, machine: [keys] + machine, stop: stop),
    ] + machine
  }
}
