import AOFCore
import AOFRemote
import AOFSystem
import Testing

@testable import AOFRemoteS3

@Suite struct RetryTests {
  @Test func pausesDoubleUpToABoundAndADeadline() {
    let policy = RetryPolicy(firstPause: 100, longestPause: 1000, deadline: 10_000, attempts: 6)
    let longest = (1...6).map { policy.pause(after: $0, elapsed: 0, asked: nil) { $0.upperBound } }
    #expect(longest == [100, 200, 400, 800, 1000, nil])
    #expect(policy.pause(after: 3, elapsed: 0, asked: nil) { $0.lowerBound } == 0)
    #expect(policy.pause(after: 1, elapsed: 0, asked: 3000) { $0.lowerBound } == 3000)
    #expect(policy.pause(after: 1, elapsed: 9950, asked: nil) { $0.upperBound } == nil)
    #expect(policy.pause(after: 1, elapsed: 0, asked: 60_000) { $0.lowerBound } == nil)
  }

  @Test(arguments: [
    refusal(503, "SlowDown"), refusal(500, "InternalError"), answer(502), answer(504), answer(429), answer(408),
    refusal(400, "RequestTimeout"), refusal(409, "OperationAborted"), refusal(400, "BadDigest"),
    noAnswer(.unreachable), noAnswer(.timedOut), noAnswer(.interrupted),
  ])
  func passingFailuresAreRepeatedOnFreshConnections(_ bad: ScriptedTransport.Answer) throws {
    let scripted = try ScriptedStore(bad, bad, answer(200, "x"))
    #expect(try scripted.get("o") == "x")
    #expect(scripted.clock.waits == [100, 200])
    #expect(scripted.transport.asked.map(\.onFreshConnection) == [false, true, true])
  }

  @Test(arguments: [
    refusal(403, "AccessDenied"), refusal(404, "NoSuchBucket"), refusal(301, "PermanentRedirect"), refusal(400, "InvalidRequest"), answer(405), noAnswer(.untrusted),
    noAnswer(.impossible),
  ])
  func lastingFailuresAreNot(_ bad: ScriptedTransport.Answer) throws {
    let scripted = try ScriptedStore(bad)
    #expect(failure { _ = try scripted.get("o") }?.code == .remoteFailure)
    #expect(scripted.transport.asked.count == 1)
  }

  @Test func itGivesUpInTheEndAndSaysHowOftenItTried() throws {
    let scripted = try ScriptedStore(ScriptedTransport([], otherwise: { _ in refusal(503, "SlowDown") }))
    let error = failure { _ = try scripted.get("o") }
    #expect(error?.code == .remoteFailure)
    #expect(scripted.transport.asked.count == 10)
    let text = error?.description ?? ""
    for part in ["s3://bucket/pre/o", "503", "SlowDown", "REQ7", "tried 10 times", "overloaded"] {
      #expect(text.contains(part), "\(part) in \(text)")
    }
    #expect(scripted.clock.waits.reduce(0, +) <= RetryPolicy().deadline)
  }

  @Test func whatIsCancelledIsNotTriedAgain() throws {
    let transport = ScriptedTransport([], otherwise: { _ in answer(503) })
    let store = try ScriptedStore(transport)
    store.store.cancel()
    #expect(transport.isCancelled)
    #expect(failure { _ = try store.get("key") }?.code == .remoteFailure)
    #expect(transport.asked.count == 1 && store.clock.waits.isEmpty)
    let cancelled = ScriptedTransport([], otherwise: { _ in .failure(.cancelled) })
    #expect(failure { _ = try ScriptedStore(cancelled).get("key") }?.code == .interrupted)
  }

  @Test func theServersWishIsFollowed() throws {
    let scripted = try ScriptedStore(refusal(503, "SlowDown", ["Retry-After": "7"]), answer(200, "x"))
    #expect(try scripted.get("o") == "x")
    #expect(scripted.clock.waits == [7000])
  }

  @Test func aWrongClockIsCorrectedOnceAndReported() throws {
    let skewed = refusal(403, "RequestTimeTooSkewed", ["Date": "Fri, 15 Jan 2027 09:00:00 GMT"])
    let scripted = try ScriptedStore(skewed, answer(200, "x"), answer(200, "y"), skewed, skewed)
    #expect(try scripted.get("o") == "x")
    #expect(try scripted.get("o") == "y")
    let dates = scripted.transport.asked.map { $0.headers["x-amz-date"] }
    #expect(dates == ["20270115T080000Z", "20270115T090000Z", "20270115T090000Z"])
    #expect(scripted.reports.withLock { $0 }.count == 1)
    #expect(scripted.reports.withLock { $0.first }?.contains("3600 s behind") == true)
    #expect(failure { _ = try scripted.get("o") }?.description.contains("clock") == true)
    #expect(scripted.transport.stepsLeft == 0)
  }

  @Test func endedCredentialsAreLoadedAnewOnce() throws {
    let scripted = try ScriptedStore(
      refusal(400, "ExpiredToken"), answer(200, "x"), refusal(403, "InvalidAccessKeyId"),
      refusal(403, "InvalidAccessKeyId"))
    #expect(try scripted.get("o") == "x")
    #expect(failure { _ = try scripted.get("o") }?.description.contains("InvalidAccessKeyId") == true)
    #expect(scripted.transport.stepsLeft == 0)
  }

  /// Its id may stay.
  @Test func anExchangedSecretIsLoadedAnewOnce() throws {
    let reads = Lock(0)
    let environment = AwsEnvironment(variables: ["HOME": "/h"]) { path throws(AofError) in
      guard path.hasSuffix("credentials") else { throw AofError(.notFound, "no \(path)") }
      let secret = reads.withLock { reads in
        reads += 1
        return reads
      }
      return Array("[default]\naws_access_key_id = ID\naws_secret_access_key = S\(secret)\n".utf8)
    }
    let wrong = refusal(403, "SignatureDoesNotMatch")
    let scripted = try ScriptedStore(ScriptedTransport(wrong, answer(200, "x"), wrong, wrong), environment: environment)
    #expect(try scripted.get("o") == "x")
    let signatures = scripted.transport.asked.map { $0.headers["authorization"] }
    #expect(signatures.count == 2 && signatures[0] != signatures[1])
    #expect(failure { _ = try scripted.get("o") }?.description.contains("SignatureDoesNotMatch") == true)
    #expect(scripted.transport.stepsLeft == 0)
  }

  @Test func credentialsThatAreAwayForAMomentAreWaitedFor() throws {
    let keys = #"{"AccessKeyId":"ID","SecretAccessKey":"S","Token":"T"}"#
    let scripted = try ScriptedStore(
      ScriptedTransport(answers: Array(repeating: answer(503), count: 5) + [answer(200, keys), answer(200, "x")]),
      environment: .made(["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/c"]))
    #expect(try scripted.get("o") == "x")
    #expect(scripted.transport.stepsLeft == 0)
    let gone = try ScriptedStore(
      ScriptedTransport([], otherwise: { _ in answer(503) }), environment: .made(["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/c"]))
    let text = failure { _ = try gone.get("o") }?.description ?? ""
    #expect(text.contains("container") && text.contains("503") && text.contains("tried 10 times"), "\(text)")
    #expect(gone.clock.waits.reduce(0, +) <= 2 * RetryPolicy().deadline)
  }

  @Test func whatIsClosedWhileItLooksForCredentialsIsInterrupted() throws {
    let scripted = try ScriptedStore(
      ScriptedTransport([], otherwise: { _ in .failure(.cancelled) }), environment: .made(["HOME": "/h"]))
    #expect(failure { _ = try scripted.get("o") }?.code == .interrupted)
    let slow = try ScriptedStore(
      ScriptedTransport([], otherwise: { _ in noAnswer(.timedOut) }), environment: .made(["HOME": "/h"]))
    slow.store.cancel()
    #expect(failure { _ = try slow.get("o") }?.code == .interrupted)
  }

  @Test func missingCredentialsAreSaidWithAllThatWasTried() throws {
    let transport = ScriptedTransport([], otherwise: { _ in noAnswer(.unreachable) })
    let scripted = try ScriptedStore(transport, environment: .made(["HOME": "/h"]))
    let text = failure { _ = try scripted.get("o") }?.description ?? ""
    for part in ["environment: ", "profile 'default': ", "container: ", "instance metadata: "] {
      #expect(text.contains(part), "\(part) in \(text)")
    }
  }

  @Test(arguments: [
    (refusal(301, "PermanentRedirect", ["x-amz-bucket-region": "eu-9"]), "--s3-region eu-9"),
    (refusal(400, "AuthorizationHeaderMalformed", more: "<Region>eu-8</Region>"), "--s3-region eu-8"),
    (answer(301, "", ["x-amz-bucket-region": "eu-7"]), "--s3-region eu-7"),
    (refusal(404, "NoSuchBucket"), "create the bucket"), (refusal(403, "AccessDenied"), "s3:GetObject"),
    (refusal(403, "SignatureDoesNotMatch"), "secret access key"), (noAnswer(.untrusted), "--s3-ca-bundle"),
  ])
  func errorsSayWhatToDo(_ bad: ScriptedTransport.Answer, remedy: String) throws {
    let scripted = try ScriptedStore(ScriptedTransport([], otherwise: { _ in bad }))
    let error = failure { _ = try scripted.get("o") }
    #expect(error?.description.contains(remedy) == true, "\(error?.description ?? "")")
  }
}
