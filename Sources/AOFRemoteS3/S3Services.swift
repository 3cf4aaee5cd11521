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
}
