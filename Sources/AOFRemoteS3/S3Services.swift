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
    return [
      EnvironmentSource(environment: environment), ProfileSource(environment: environment),
      ContainerSource(environment: environment, service: service),
      InstanceSource(environment: environment, service: service),
    ]
  }
}
