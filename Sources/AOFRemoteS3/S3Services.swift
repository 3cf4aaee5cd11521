import AOFSystem

/// What an S3 store takes from outside: what tests replace.
struct S3Services: Sendable {
  var transport: any HTTPTransport
  var environment = AwsEnvironment.system
  var clock: any WaitingClock = SystemClock()
  var retry = RetryPolicy()
  var random: @Sendable (ClosedRange<Int>) -> Int = { Int.random(in: $0) }
  /// Told what people should know though nothing failed.
  var report: @Sendable (String) -> Void = { _ in }

  /// The places where credentials may be, in the order of AWS's own tools.
  var credentialSources: [any CredentialSource] {
    let service = MetadataService(transport: transport)
    let roles = SecurityTokenService(environment: environment, transport: transport, clock: clock)
    let keys = EnvironmentSource(environment: environment)
    let machine: [any CredentialSource] = [
      ContainerSource(environment: environment, service: service),
      InstanceSource(environment: environment, service: service),
    ]
    return [
      keys, WebIdentitySource(environment: environment, roles: roles),
      ProfileSource(environment: environment, roles: roles, machine: [keys] + machine),
    ] + machine
  }
}
