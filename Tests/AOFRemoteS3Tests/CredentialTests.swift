import AOFCore
import AOFSystem
import Foundation
import Testing

@testable import AOFRemoteS3

@Suite struct CredentialSourceTests {
  private func credentials(_ finding: CredentialFinding) throws -> AwsCredentials {
    guard case .found(let credentials) = finding else { throw AofError(.notFound, "\(finding)") }
    return credentials
  }

  @Test func theEnvironmentIsRead() throws {
    let all = ["AWS_ACCESS_KEY_ID": "ID", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"]
    let found = try credentials(EnvironmentSource(environment: .made(all)).find())
    #expect(found == AwsCredentials(accessKeyID: "ID", secretAccessKey: "S", sessionToken: "T"))
    let none = EnvironmentSource(environment: .made(["AWS_ACCESS_KEY_ID": "", "AWS_SESSION_TOKEN": "T"])).find()
    #expect(none == .missing("AWS_ACCESS_KEY_ID is not set"))
    for half in [["AWS_ACCESS_KEY_ID": "ID", "AWS_SECRET_ACCESS_KEY": ""], ["AWS_SECRET_ACCESS_KEY": "hush"]] {
      let failure = try #require(EnvironmentSource(environment: .made(half)).find().failure)
      #expect(failure.kind == .lasting && failure.message.contains("AWS_SECRET_ACCESS_KEY") && !failure.message.contains("hush"))
    }
  }

  private static let files = [
    "/h/.aws/credentials": """
      # keys
      [default]
      aws_access_key_id = ID0
      aws_secret_access_key=S0 ; a comment
      [ work ]
      aws_access_key_id=ID1
      aws_secret_access_key = S1#1
      aws_session_token = T1
      """,
    "/h/.aws/config": """
      [default]
      region = eu-1
      s3 =
        max_concurrent_requests = 20
        region = nested
      [profile work]
      region=eu-2
      [profile only]
      aws_access_key_id = ID2
      aws_secret_access_key = S2
      [profile sso]
      sso_session = x
      [profile half]
      aws_access_key_id = ID
      [profile otherHalf]
      aws_secret_access_key = S
      [profile region]
      region = eu-3
      [profile empty]
      aws_access_key_id = ID4
      aws_secret_access_key = S4
      aws_session_token =
      """,
    "/elsewhere": "[default]\naws_access_key_id = ID3\naws_secret_access_key = S3\n",
  ]

  private static func profile(_ environment: AwsEnvironment) throws -> any CredentialSource {
    try S3Session(ScriptedTransport(), environment).source("profile '\(environment.profile)'")
  }

  private static func environment(_ variables: [String: String]) -> AwsEnvironment {
    .made(["HOME": "/h"].merging(variables) { $1 }, files: files)
  }

  @Test(arguments: [
    ([:], "ID0", "S0"), (["AWS_PROFILE": "work"], "ID1", "S1#1"), (["AWS_PROFILE": "only"], "ID2", "S2"),
    (["AWS_DEFAULT_PROFILE": "work"], "ID1", "S1#1"), (["AWS_SHARED_CREDENTIALS_FILE": "/elsewhere"], "ID3", "S3"),
    (["AWS_CONFIG_FILE": "/none"], "ID0", "S0"), (["AWS_PROFILE": "empty"], "ID4", "S4"),
  ] as [([String: String], String, String)])
  func profilesAreRead(variables: [String: String], id: String, secret: String) throws {
    let found = try credentials(try Self.profile(Self.environment(variables)).find())
    #expect(found.accessKeyID == id && found.secretAccessKey == secret)
    // An empty one would be sent, and refused.
    #expect(found.sessionToken == (id == "ID1" ? "T1" : nil))
  }

  /// Whoever names a profile does not want what others would find.
  @Test(arguments: [
    (["AWS_PROFILE": "none"], "/h/.aws/credentials has no profile 'none'", true),
    (["AWS_DEFAULT_PROFILE": "none"], "/h/.aws/config has no profile 'none'", true),
    (["AWS_PROFILE": "sso"], "sso_session", true), (["AWS_PROFILE": "half"], "no aws_secret_access_key", true),
    (["AWS_PROFILE": "otherHalf"], "no aws_access_key_id", true), (["AWS_PROFILE": "region"], "it has no keys", false),
    (["HOME": ""], "HOME is not set", false), (["HOME": "", "AWS_PROFILE": "work"], "HOME is not set", true),
    (["HOME": "/nobody"], "there is no /nobody/.aws/credentials", false),
    (["HOME": "/nobody", "AWS_SHARED_CREDENTIALS_FILE": "/typo"], "there is no /typo", true),
    (["HOME": "/secret"], "cannot be read", true),
  ] as [([String: String], String, Bool)])
  func whatAProfileLacksIsSaid(variables: [String: String], expected: String, isFailure: Bool) throws {
    var environment = Self.environment(variables)
    let readFile = environment.readFile
    environment = AwsEnvironment(variables: environment.variables) { path throws(AofError) in
      if path.hasPrefix("/secret/") { throw AofError(.notPermitted, "not for you") }
      return try readFile(path)
    }
    let finding = try Self.profile(environment).find()
    #expect(finding.reason?.contains(expected) == true, "\(finding)")
    #expect((finding.failure != nil) == isFailure)
  }

  @Test(arguments: [
    ([:], "eu-1"), (["AWS_PROFILE": "work"], "eu-2"), (["AWS_PROFILE": "only"], nil),
    (["AWS_DEFAULT_REGION": "r1"], "r1"), (["AWS_DEFAULT_REGION": "r1", "AWS_REGION": "r2"], "r2"),
  ] as [([String: String], String?)])
  func regionsAreRead(variables: [String: String], region: String?) {
    #expect(Self.environment(variables).region == region)
  }

  /// As people write the files: indented, quoted, with settings nested below a key.
  @Test func filesAreReadAsTheyAreWritten() {
    let sections = AwsEnvironment.sections(
      """
      [default]
        region = eu-1
        s3 =
          region = nested
        output = json
      [profile  "a  b"]
      region = eu-2 # there
      s3 = ; below
        region = nested
        # a comment
        addressing_style = path
      [profile empty] # see [default]
      """)
    #expect(sections["default"] == ["region": "eu-1", "s3": "", "output": "json"])
    #expect(sections["profile a  b"] == ["region": "eu-2", "s3": ""])
    #expect(sections["profile empty"] == [:])
  }

  /// Kubernetes: `token` leads to `..data/token`, and `..data` to the directory of today.
  @Test func filesAreReadThroughLinks() throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "aofs-links-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    let files = FileManager.default
    try files.createDirectory(at: directory.appending(path: "..2026"), withIntermediateDirectories: true)
    try Data("the token\n".utf8).write(to: directory.appending(path: "..2026/token"))
    try files.createSymbolicLink(atPath: directory.path + "/..data", withDestinationPath: "..2026")
    try files.createSymbolicLink(atPath: directory.path + "/token", withDestinationPath: "..data/token")
    #expect(try AwsEnvironment.system.readFile(directory.path + "/token") == Array("the token\n".utf8))
    #expect(failure { _ = try AwsEnvironment.system.readFile(directory.path + "/none") }?.code == .notFound)
  }

  private static let document = """
    {"Code":"Success","AccessKeyId":"ID","SecretAccessKey":"S","Token":"T","Expiration":"2030-01-02T03:04:05Z"}
    """

  @Test func containersAreAsked() throws {
    let transport = ScriptedTransport([], otherwise: { _ in answer(200, Self.document) })
    let relative = try S3Session(transport, .made(["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"])).source("container")
    let found = try credentials(relative.find())
    #expect(found.accessKeyID == "ID" && found.sessionToken == "T")
    #expect(found.expiration == UnixTime(seconds: 1_893_553_445, nanoseconds: 0))
    let variables = [
      "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:7/c", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token",
    ]
    let full = S3Session(transport, .made(variables, files: ["/token": "abc\n"]))
    _ = try credentials(full.source("container").find())
    #expect(try S3Session(transport, .made(variables)).source("container").find().failure?.message.contains("/token") == true)
    #expect(transport.asked.map(\.url) == ["http://169.254.170.2/v2/x", "http://127.0.0.1:7/c"])
    #expect(transport.asked.last?.headers["authorization"] == "abc")
  }

  @Test(arguments: [
    "http://example.com/c", "http://127.0.0.1.example.com/", "http://169.254.170.2@example.com/", "ftp://127.0.0.1/",
    "http://127.0.0.1:80@example.com/", "http://localhost:a@example.com/", "http://[::1]@example.com/", "http://127.0.0.1#@example.com/",
  ])
  func strangersAreNotAsked(_ url: String) throws {
    let transport = ScriptedTransport()
    let variables = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t"]
    #expect(try S3Session(transport, .made(variables)).source("container").find().failure?.kind == .lasting)
    #expect(transport.asked.isEmpty)
  }

  @Test(arguments: ["http://localhost", "http://127.0.0.1:1/x", "http://[fd00:ec2::23]/v1?a", "https://example.com/"])
  func thisMachineIsAsked(_ url: String) { #expect(ContainerSource.isTrusted(url)) }

  @Test func instancesAreAskedForATokenFirst() throws {
    let transport = ScriptedTransport(
      noAnswer(.timedOut), answer(200, "tok"), answer(200, "role\n"), answer(200, Self.document))
    let clock = ManualClock()
    let session = S3Session(transport, .made(["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://imds/"]), clock: clock)
    _ = try credentials(session.source("instance metadata").find())
    #expect(clock.waits == [200])
    let asked = transport.asked
    #expect(asked.map(\.method) == [.put, .put, .get, .get])
    #expect(asked.last?.url == "http://imds/latest/meta-data/iam/security-credentials/role")
    #expect(asked.last?.headers["x-aws-ec2-metadata-token"] == "tok")
  }

  /// A machine that is none of EC2's, and one of EC2's that has no role.
  @Test(arguments: [
    [noAnswer(.unreachable), noAnswer(.unreachable)], [noAnswer(.timedOut), noAnswer(.timedOut)], [answer(404)], [answer(403)],
    [answer(200, "tok"), answer(404)], [answer(200, "tok"), answer(200, "\n")],
  ]) func aMachineMayHaveNone(_ answers: [ScriptedTransport.Answer]) throws {
    let transport = ScriptedTransport(answers: answers)
    let finding = try S3Session(transport).source("instance metadata").find()
    #expect(finding.reason != nil && finding.failure == nil && transport.stepsLeft == 0)
  }

  @Test func aMachinesServiceCanBeTurnedOff() throws {
    let transport = ScriptedTransport()
    let finding = try S3Session(transport, .made(["AWS_EC2_METADATA_DISABLED": "true"])).source("instance metadata").find()
    #expect(finding == .missing("AWS_EC2_METADATA_DISABLED is set") && transport.asked.isEmpty)
  }

  @Test(arguments: [
    (answer(404), .lasting), (answer(500), .passing), (answer(429), .passing), (noAnswer(.unreachable), .passing),
    (noAnswer(.cancelled), .cancelled), (answer(200, "<html>secret</html>"), .lasting),
    (answer(200, #"{"Code":"AssumeRoleUnauthorizedAccess"}"#), .lasting),
  ] as [(ScriptedTransport.Answer, CredentialFailure.Kind)])
  func aServiceThatShouldHaveSomeFails(_ given: ScriptedTransport.Answer, _ kind: CredentialFailure.Kind) throws {
    let transport = ScriptedTransport([]) { asked in
      if asked.method == .put { return answer(200, "token") }
      return asked.url.hasSuffix("/role") || asked.url.hasSuffix("/c") ? given : answer(200, "role")
    }
    let session = S3Session(transport, .made(["AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://container/c"]))
    for place in ["container", "instance metadata"] {
      let failure = try session.source(place).find().failure
      #expect(failure?.kind == kind && failure?.message.contains("secret") == false)
    }
  }

  @Test func secretsAreNotPrinted() {
    let credentials = AwsCredentials(accessKeyID: "ID", secretAccessKey: "hush", sessionToken: "hush")
    var dumped = ""
    dump(credentials, to: &dumped)
    for text in ["\(credentials)", String(reflecting: credentials), dumped] { #expect(!text.contains("hush")) }
  }
}
