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
    [profile program]
    credential_process = print keys
    """

  private static func services(
    _ variables: [String: String], _ transport: ScriptedTransport,
    run: @escaping @Sendable (String, Int) throws(AofError) -> [UInt8] = { _, _ throws(AofError) in [] }
  ) -> S3Services {
    var services = S3Services(transport: transport)
    services.environment = .made(
      ["AWS_CONFIG_FILE": "/config", "AWS_REGION": "eu-1", "AWS_EC2_METADATA_DISABLED": "true"].merging(variables) { $1 },
      files: ["/config": config, "/token": "the token\n"])
    services.environment.run = run
    services.clock = ManualClock()
    return services
  }

  private static func find(_ services: S3Services) throws -> AwsCredentials {
    try CredentialCache(sources: services.credentialSources, clock: services.clock).credentials()
  }

  @Test func aTokenIsExchangedForARole() throws {
    let transport = ScriptedTransport(answer(503), answer(200, Self.document("AssumeRoleWithWebIdentity")))
    let services = Self.services(
      ["AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"], transport)
    let found = try Self.find(services)
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
    let found = try Self.find(Self.services(["AWS_PROFILE": "reader", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:5/"], transport))
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
    #expect(try Self.find(Self.services(["AWS_PROFILE": "twice"], transport)).accessKeyID == "SECOND")
    #expect(transport.asked[1].headers["authorization"]?.contains("Credential=FIRST/") == true)
    #expect(transport.asked[1].headers["x-amz-security-token"] == "T")
  }

  @Test func aProfileMayNameATokenOrTheSurroundings() throws {
    let token = ScriptedTransport(answer(200, Self.document("AssumeRoleWithWebIdentity")))
    #expect(try Self.find(Self.services(["AWS_PROFILE": "token"], token)).accessKeyID == "ASIA")
    #expect(String(decoding: token.asked[0].body, as: UTF8.self).contains("WebIdentityToken=the%20token"))
    let profile = ScriptedTransport(answer(200, Self.document("AssumeRole")))
    let services = Self.services(
      ["AWS_PROFILE": "surroundings", "AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "S"], profile)
    // The environment itself comes first; asked for by name the profile takes its role on with it.
    let source = try #require(services.credentialSources.first { $0.name == "profile 'surroundings'" })
    guard case .found(let found) = source.find() else { throw AofError(.notFound, "\(source.find())") }
    #expect(found.accessKeyID == "ASIA" && profile.asked[0].headers["authorization"]?.contains("Credential=ENV/") == true)
  }

  @Test func aProgramPrintsCredentials() throws {
    let output = #"{"Version":1,"AccessKeyId":"P","SecretAccessKey":"S","Expiration":"2027-01-15T09:00:00.5Z"}"#
    let services = Self.services(["AWS_PROFILE": "program"], ScriptedTransport()) { command, time throws(AofError) in
      guard command == "print keys", time > 0 else { throw AofError(.localFailure, "not that one") }
      return Array(output.utf8)
    }
    let found = try Self.find(services)
    #expect(found.accessKeyID == "P" && found.expiration == UnixTime(seconds: 1_800_003_600, nanoseconds: 0))
  }

  @Test(arguments: [
    ("circle", "circle"), ("mfa", "mfa_serial"), ("program", "something else"), ("reader", "403 AccessDenied"),
  ])
  func whatCannotBeHadIsSaidWithoutSecrets(_ profile: String, _ expected: String) throws {
    let refused = ScriptedTransport([], otherwise: { _ in
      answer(403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>S0</Message></Error></ErrorResponse>")
    })
    let services = Self.services(["AWS_PROFILE": profile], refused) { _, _ throws(AofError) in
      Array(#"{"Version":2,"AccessKeyId":"P","SecretAccessKey":"hushhush"}"#.utf8)
    }
    let error = try #require(throws: AofError.self) { try Self.find(services) }
    #expect("\(error)".contains(expected) && !"\(error)".contains("S0") && !"\(error)".contains("hush"))
  }

  @Test func nothingIsSentInTheClearToOthers() throws {
    let transport = ScriptedTransport()
    let services = Self.services(
      ["AWS_PROFILE": "reader", "AWS_ENDPOINT_URL_STS": "http://sts.example"], transport)
    #expect(throws: AofError.self) { try Self.find(services) }
    #expect(transport.asked.isEmpty)
  }

  @Test func rolesAreTakenOnAnewBeforeTheyEnd() throws {
    let transport = ScriptedTransport(
      answer(200, Self.document("AssumeRole", id: "FIRST")),
      answer(200, Self.document("AssumeRole", id: "SECOND", end: "2027-01-15T10:00:00Z")))
    let clock = ManualClock()
    var services = Self.services(["AWS_PROFILE": "reader"], transport)
    services.clock = clock
    let cache = CredentialCache(sources: services.credentialSources, clock: clock)
    #expect(try cache.credentials().accessKeyID == "FIRST")
    clock.advance(seconds: 3600 - CredentialCache.renewalLead - 1)
    #expect(try cache.credentials().accessKeyID == "FIRST")
    clock.advance(seconds: 1)
    #expect(try cache.credentials().accessKeyID == "SECOND")
  }
}
