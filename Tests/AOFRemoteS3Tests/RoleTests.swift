import AOFCore
import AOFSystem
import Testing

@testable import AOFRemoteS3

/// Credentials that others hand out for a role, or a program prints.
@Suite struct RoleTests {
  private static func document(_ action: String, id: String = "ASIA", end: String = "2027-01-15T09:00:00Z") -> String {
    """
    <\(action)Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><\(action)Result><Credentials>
    <AccessKeyId>\(id)</AccessKeyId><SecretAccessKey>S/+=</SecretAccessKey><SessionToken>T</SessionToken>
    <Expiration>\(end)</Expiration></Credentials></\(action)Result></\(action)Response>
    """
  }

  private static let config = """
    [profile reader]
    role_arn = arn:aws:iam::1:role/reader
    source_profile = base
    external_id = them
    role_session_name = me
    duration_seconds = 900
    [profile twice]
    role_arn = arn:aws:iam::1:role/second
    source_profile = reader
    [profile base]
    aws_access_key_id = ID0
    aws_secret_access_key = S0
    [profile token]
    role_arn = arn:aws:iam::1:role/token
    web_identity_token_file = /token
    [profile surroundings]
    role_arn = arn:aws:iam::1:role/env
    credential_source = Environment
    [profile circle]
    role_arn = arn:aws:iam::1:role/x
    source_profile = circle2
    [profile circle2]
    role_arn = arn:aws:iam::1:role/x
    source_profile = circle
    [profile mfa]
    role_arn = arn:aws:iam::1:role/x
    source_profile = base
    mfa_serial = arn:aws:iam::1:mfa/me
    [profile sourceless]
    role_arn = arn:aws:iam::1:role/x
    source_profile = mistyped
    [profile program]
    credential_process = print keys
    """

  private static func session(
    _ variables: [String: String], _ transport: ScriptedTransport,
    run: @escaping @Sendable (String, Int, StopSignal) throws(AofError) -> [UInt8] = { _, _, _ throws(AofError) in [] },
    clock: ManualClock = ManualClock(), report: @escaping @Sendable (String) -> Void = { _ in }
  ) -> S3Session {
    var environment = AwsEnvironment.made(
      ["AWS_CONFIG_FILE": "/config", "AWS_REGION": "eu-1", "AWS_EC2_METADATA_DISABLED": "true"].merging(variables) { $1 },
      files: ["/config": config, "/token": "the token\n"])
    environment.run = run
    return S3Session(transport, environment, clock: clock, report: report)
  }

  private static func find(_ session: S3Session, region: String? = nil) throws -> AwsCredentials {
    try CredentialCache(sources: session.credentialSources(region: region), clock: session).credentials()
  }

  @Test func aTokenIsExchangedForARole() throws {
    let transport = ScriptedTransport(answer(503), answer(200, Self.document("AssumeRoleWithWebIdentity")))
    let session = Self.session(
      ["AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"], transport)
    let found = try Self.find(session)
    #expect(found.accessKeyID == "ASIA" && found.secretAccessKey == "S/+=" && found.sessionToken == "T")
    #expect(found.expiration == UnixTime(seconds: 1_800_003_600, nanoseconds: 0))
    let asked = transport.asked[1]
    #expect(asked.method == .post && asked.url == "https://sts.eu-1.amazonaws.com/")
    #expect(
      String(decoding: asked.body, as: UTF8.self) == "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"
        + "&RoleSessionName=aofs&Version=2011-06-15&WebIdentityToken=the%20token")
    // The token is the proof; nothing is signed.
    #expect(asked.headers["authorization"] == nil)
  }

  @Test func aProfilesRoleIsTakenOnWithItsSource() throws {
    let transport = ScriptedTransport(answer(200, Self.document("AssumeRole")))
    let found = try Self.find(Self.session(["AWS_PROFILE": "reader", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:5/"], transport))
    #expect(found.accessKeyID == "ASIA")
    let asked = try #require(transport.asked.first)
    #expect(asked.url == "http://127.0.0.1:5/")
    let body = String(decoding: asked.body, as: UTF8.self)
    #expect(body.contains("ExternalId=them") && body.contains("RoleSessionName=me") && body.contains("DurationSeconds=900"))
    #expect(asked.headers["authorization"]?.contains("Credential=ID0/20270115/eu-1/sts/aws4_request") == true)
    #expect(asked.headers["authorization"]?.contains("SignedHeaders=content-type;host;x-amz-date") == true)
  }

  @Test func aRoleMayLeadToAnother() throws {
    let transport = ScriptedTransport(
      answer(200, Self.document("AssumeRole", id: "FIRST")), answer(200, Self.document("AssumeRole", id: "SECOND")))
    #expect(try Self.find(Self.session(["AWS_PROFILE": "twice"], transport)).accessKeyID == "SECOND")
    #expect(transport.asked[1].headers["authorization"]?.contains("Credential=FIRST/") == true)
    #expect(transport.asked[1].headers["x-amz-security-token"] == "T")
  }

  @Test func aProfileMayNameATokenOrTheSurroundings() throws {
    let token = ScriptedTransport(answer(200, Self.document("AssumeRoleWithWebIdentity")))
    #expect(try Self.find(Self.session(["AWS_PROFILE": "token"], token)).accessKeyID == "ASIA")
    #expect(String(decoding: token.asked[0].body, as: UTF8.self).contains("WebIdentityToken=the%20token"))
    let profile = ScriptedTransport(answer(200, Self.document("AssumeRole")))
    let session = Self.session(
      ["AWS_PROFILE": "surroundings", "AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "S"], profile)
    // The environment itself comes first; asked for by name the profile takes its role on with it.
    let source = try #require(session.credentialSources(region: nil).first { $0.name == "profile 'surroundings'" })
    guard case .found(let found) = source.find() else { throw AofError(.notFound, "\(source.find())") }
    #expect(found.accessKeyID == "ASIA" && profile.asked[0].headers["authorization"]?.contains("Credential=ENV/") == true)
  }

  @Test func aProgramPrintsCredentials() throws {
    let output = #"{"Version":1,"AccessKeyId":"P","SecretAccessKey":"S","Expiration":"2027-01-15T09:00:00.5Z"}"#
    let session = Self.session(["AWS_PROFILE": "program"], ScriptedTransport()) { command, time, _ throws(AofError) in
      guard command == "print keys", time > 0 else { throw AofError(.localFailure, "not that one") }
      return Array(output.utf8)
    }
    let found = try Self.find(session)
    #expect(found.accessKeyID == "P" && found.expiration == UnixTime(seconds: 1_800_003_600, nanoseconds: 0))
  }

  @Test(arguments: [
    ("circle", "circle"), ("mfa", "mfa_serial"), ("program", "something else"), ("reader", "403 AccessDenied"),
  ])
  func whatCannotBeHadIsSaidWithoutSecrets(_ profile: String, _ expected: String) throws {
    let refused = ScriptedTransport([], otherwise: { _ in
      answer(403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>S0</Message></Error></ErrorResponse>")
    })
    let session = Self.session(["AWS_PROFILE": profile], refused) { _, _, _ throws(AofError) in
      Array(#"{"Version":2,"AccessKeyId":"P","SecretAccessKey":"hushhush"}"#.utf8)
    }
    let error = try #require(throws: CredentialFailure.self) { try Self.find(session) }
    #expect("\(error)".contains(expected) && !"\(error)".contains("S0") && !"\(error)".contains("hush"))
  }

  @Test func nothingIsSentInTheClearToOthers() throws {
    let transport = ScriptedTransport()
    let session = Self.session(
      ["AWS_PROFILE": "reader", "AWS_ENDPOINT_URL_STS": "http://sts.example"], transport)
    #expect(throws: CredentialFailure.self) { try Self.find(session) }
    #expect(transport.asked.isEmpty)
  }

  @Test func rolesAreTakenOnAnewBeforeTheyEnd() throws {
    let transport = ScriptedTransport(
      answer(200, Self.document("AssumeRole", id: "FIRST")),
      answer(200, Self.document("AssumeRole", id: "SECOND", end: "2027-01-15T10:00:00Z")))
    let clock = ManualClock()
    let session = Self.session(["AWS_PROFILE": "reader"], transport, clock: clock)
    let cache = CredentialCache(sources: session.credentialSources(region: nil), clock: session)
    #expect(try cache.credentials().accessKeyID == "FIRST")
    clock.advance(seconds: 3600 - CredentialCache.renewalLead - 1)
    #expect(try cache.credentials().accessKeyID == "FIRST")
    clock.advance(seconds: 1)
    #expect(try cache.credentials().accessKeyID == "SECOND")
  }

  // MARK: Failures

  @Test(arguments: [
    (refusal(403, "AccessDenied"), .lasting, 1), (answer(500), .passing, 3), (refusal(400, "IDPCommunicationError"), .passing, 3),
    (refusal(400, "Throttling"), .passing, 3), (noAnswer(.unreachable), .passing, 3), (noAnswer(.cancelled), .cancelled, 1),
  ] as [(ScriptedTransport.Answer, CredentialFailure.Kind, Int)])
  func aRoleThatFailsIsNoOtherIdentity(_ bad: ScriptedTransport.Answer, _ kind: CredentialFailure.Kind, _ tries: Int) throws {
    for variables in [["AWS_PROFILE": "reader"], ["AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:r"]] {
      let transport = ScriptedTransport([], otherwise: { _ in bad })
      let clock = ManualClock()
      // The machine has a role that would do.
      let session = Self.session(variables.merging(["AWS_EC2_METADATA_DISABLED": ""]) { $1 }, transport, clock: clock)
      let failure = #expect(throws: CredentialFailure.self) { try Self.find(session) }
      #expect(failure?.kind == kind && transport.asked.count == tries)
      #expect(clock.waits == [200, 400].prefix(tries - 1).map { $0 })
      #expect(transport.asked.allSatisfy { $0.url == "https://sts.eu-1.amazonaws.com/" })
    }
  }

  @Test(arguments: [
    ["AWS_WEB_IDENTITY_TOKEN_FILE": "/token"], ["AWS_WEB_IDENTITY_TOKEN_FILE": "/none", "AWS_ROLE_ARN": "arn:r"],
    ["AWS_PROFILE": "mistyped"], ["AWS_PROFILE": "sourceless"],
  ]) func whatIsConfiguredHalfIsAnError(_ variables: [String: String]) throws {
    let transport = ScriptedTransport()
    let session = Self.session(variables.merging(["AWS_EC2_METADATA_DISABLED": ""]) { $1 }, transport)
    #expect(throws: CredentialFailure.self) { try Self.find(session) }
    #expect(transport.asked.isEmpty)
  }

  @Test(arguments: [
    (AofError.Code.localFailure, CredentialFailure.Kind.passing), (.notFound, .lasting), (.timedOut, .lasting),
    (.interrupted, .cancelled),
  ]) func aProgramThatFailsSaysWhy(_ code: AofError.Code, _ kind: CredentialFailure.Kind) throws {
    let session = Self.session(["AWS_PROFILE": "program"], ScriptedTransport()) { _, _, _ throws(AofError) in
      throw AofError(code, "exit code 1: nobody is logged in")
    }
    let failure = try #require(throws: CredentialFailure.self) { try Self.find(session) }
    #expect(failure.kind == kind && failure.message.contains("nobody is logged in"))
  }

  @Test func aProgramIsStoppedWithTheStore() throws {
    let session = Self.session(["AWS_PROFILE": "program"], ScriptedTransport(), run: AwsEnvironment.system.run)
    let slow = S3Session(
      ScriptedTransport(), .made(["AWS_CONFIG_FILE": "/c", "AWS_PROFILE": "p"], files: ["/c": "[profile p]\ncredential_process = sleep 1000\n"]))
    #expect(throws: CredentialFailure.self) { try Self.find(session) }
    let kind = Lock<CredentialFailure.Kind?>(nil)
    let thread = try SystemThread.start("find") {
      do { _ = try Self.find(slow) } catch { kind.withLock { $0 = (error as? CredentialFailure)?.kind } }
    }
    slow.close()
    thread.join()
    #expect(kind.withLock { $0 } == .cancelled)
  }

  /// The service does not tell a wrong clock from a wrong secret; the time of its answer does.
  @Test func aWrongClockIsCorrected() throws {
    let late = ["Date": "Fri, 15 Jan 2027 09:00:00 GMT"]
    let transport = ScriptedTransport(
      refusal(403, "SignatureDoesNotMatch", late), answer(200, Self.document("AssumeRole", end: "2027-01-15T10:00:00Z")),
      refusal(403, "AccessDenied", late))
    let reports = Lock<[String]>([])
    let session = Self.session(["AWS_PROFILE": "reader"], transport, report: { text in reports.withLock { $0.append(text) } })
    #expect(try Self.find(session).accessKeyID == "ASIA")
    #expect(throws: CredentialFailure.self) { try Self.find(session) }
    let dates = transport.asked.map { $0.headers["x-amz-date"] }
    #expect(dates == ["20270115T080000Z", "20270115T090000Z", "20270115T090000Z"])
    #expect(reports.withLock { $0 }.count == 1)
  }

  @Test(arguments: [
    (["AWS_REGION": ""], "eu-7", "eu-7"), (["AWS_REGION": ""], nil, "us-east-1"), ([:], "eu-7", "eu-1"),
  ] as [([String: String], String?, String)])
  func rolesAreTakenOnWhereTheStoreIs(_ variables: [String: String], _ region: String?, _ expected: String) throws {
    let transport = ScriptedTransport(answer(200, Self.document("AssumeRole")))
    _ = try Self.find(Self.session(variables.merging(["AWS_PROFILE": "reader"]) { $1 }, transport), region: region)
    #expect(transport.asked.first?.url == "https://sts.\(expected).amazonaws.com/")
  }
}
