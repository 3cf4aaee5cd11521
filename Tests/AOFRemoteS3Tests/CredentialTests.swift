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

  private func reason(_ finding: CredentialFinding) -> String? {
    if case .missing(let reason) = finding { reason } else { nil }
  }

  @Test func theEnvironmentIsRead() throws {
    let all = ["AWS_ACCESS_KEY_ID": "ID", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"]
    let found = try credentials(EnvironmentSource(environment: .made(all)).find())
    #expect(found == AwsCredentials(accessKeyID: "ID", secretAccessKey: "S", sessionToken: "T"))
    let half = EnvironmentSource(environment: .made(["AWS_ACCESS_KEY_ID": "ID", "AWS_SECRET_ACCESS_KEY": ""])).find()
    #expect(reason(half)?.contains("AWS_SECRET_ACCESS_KEY") == true)
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
      """,
    "/elsewhere": "[default]\naws_access_key_id = ID3\naws_secret_access_key = S3\n",
  ]

  private static func profile(_ environment: AwsEnvironment) -> ProfileSource {
    let roles = SecurityTokenService(environment: environment, transport: ScriptedTransport(), clock: ManualClock())
    return ProfileSource(environment: environment, roles: roles, machine: [])
  }

  private static func environment(_ variables: [String: String]) -> AwsEnvironment {
    .made(["HOME": "/h"].merging(variables) { $1 }, files: files)
  }

  @Test(arguments: [
    ([:], "ID0", "S0"), (["AWS_PROFILE": "work"], "ID1", "S1#1"), (["AWS_PROFILE": "only"], "ID2", "S2"),
    (["AWS_DEFAULT_PROFILE": "work"], "ID1", "S1#1"), (["AWS_SHARED_CREDENTIALS_FILE": "/elsewhere"], "ID3", "S3"),
    (["AWS_CONFIG_FILE": "/none"], "ID0", "S0"),
  ] as [([String: String], String, String)])
  func profilesAreRead(variables: [String: String], id: String, secret: String) throws {
    let found = try credentials(Self.profile(Self.environment(variables)).find())
    #expect(found.accessKeyID == id && found.secretAccessKey == secret)
  }

  @Test func whatAProfileLacksIsSaid() {
    func reason(_ variables: [String: String]) -> String? {
      self.reason(Self.profile(Self.environment(variables)).find())
    }
    #expect(reason(["AWS_PROFILE": "none"])?.contains("/h/.aws/credentials") == true)
    #expect(reason(["AWS_PROFILE": "sso"])?.contains("sso_session") == true)
    #expect(self.reason(Self.profile(.made([:])).find()) == "HOME is not set")
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
    let service = MetadataService(transport: transport)
    let relative = ContainerSource(
      environment: .made(["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"]), service: service)
    let found = try credentials(relative.find())
    #expect(found.accessKeyID == "ID" && found.sessionToken == "T")
    #expect(found.expiration == UnixTime(seconds: 1_893_553_445, nanoseconds: 0))
    let full = ContainerSource(
      environment: .made(
        [
          "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:7/c",
          "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token",
        ], files: ["/token": "abc\n"]), service: service)
    _ = try credentials(full.find())
    #expect(transport.asked.map(\.url) == ["http://169.254.170.2/v2/x", "http://127.0.0.1:7/c"])
    #expect(transport.asked.last?.headers["authorization"] == "abc")
  }

  @Test(arguments: [
    "http://example.com/c", "http://127.0.0.1.example.com/", "http://169.254.170.2@example.com/", "ftp://127.0.0.1/",
  ])
  func strangersAreNotAsked(_ url: String) {
    let transport = ScriptedTransport()
    let source = ContainerSource(
      environment: .made(["AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t"]),
      service: MetadataService(transport: transport))
    #expect(reason(source.find()) != nil)
    #expect(transport.asked.isEmpty)
  }

  @Test func instancesAreAskedForATokenFirst() throws {
    let transport = ScriptedTransport(
      noAnswer(.timedOut), answer(200, "tok"), answer(200, "role\n"), answer(200, Self.document))
    let source = InstanceSource(
      environment: .made(["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://imds/"]),
      service: MetadataService(transport: transport))
    _ = try credentials(source.find())
    let asked = transport.asked
    #expect(asked.map(\.method) == [.put, .put, .get, .get])
    #expect(asked.last?.url == "http://imds/latest/meta-data/iam/security-credentials/role")
    #expect(asked.last?.headers["x-aws-ec2-metadata-token"] == "tok")
  }

  @Test(arguments: [answer(404), answer(500), noAnswer(.unreachable), answer(200, "<html>secret</html>")])
  func aServiceThatHasNoneIsNoError(_ given: ScriptedTransport.Answer) {
    let transport = ScriptedTransport([]) { asked in
      if asked.method == .put { return answer(200, "token") }
      return asked.path.hasSuffix("/role") ? given : answer(200, "role")
    }
    let source = InstanceSource(environment: .made([:]), service: MetadataService(transport: transport))
    #expect(reason(source.find())?.contains("secret") == false)
    let disabled = InstanceSource(
      environment: .made(["AWS_EC2_METADATA_DISABLED": "true"]), service: MetadataService(transport: transport))
    #expect(reason(disabled.find())?.contains("DISABLED") == true)
  }

  @Test func secretsAreNotPrinted() {
    let credentials = AwsCredentials(accessKeyID: "ID", secretAccessKey: "hush", sessionToken: "hush")
    var dumped = ""
    dump(credentials, to: &dumped)
    for text in ["\(credentials)", String(reflecting: credentials), dumped] { #expect(!text.contains("hush")) }
  }
}

@Suite struct CredentialCacheTests {
  /// Hands out what it is told to, and counts.
  private final class Source: CredentialSource {
    let name = "test"
    let next = Lock<[CredentialFinding]>([])
    let asked = Lock(0)
    /// Holds whoever asks, until it is opened.
    let gate = Monitor(true)

    func find() -> CredentialFinding {
      asked.withLock { $0 += 1 }
      gate.wait { $0 ? () : nil }
      return next.withLock { $0.isEmpty ? .missing("empty") : $0.removeFirst() }
    }
  }

  private func made(_ id: String, _ end: Int64? = nil) -> CredentialFinding {
    var credentials = AwsCredentials(accessKeyID: id, secretAccessKey: "s")
    credentials.expiration = end.map { UnixTime(seconds: $0, nanoseconds: 0) }
    return .found(credentials)
  }

  private let source = Source()
  private let clock = ManualClock(seconds: 1000)
  private var cache: CredentialCache { CredentialCache(sources: [source], clock: clock) }

  @Test func lastingOnesAreLoadedOnce() throws {
    source.next.withLock { $0 = [made("a")] }
    let cache = cache
    for _ in 0..<3 { #expect(try cache.credentials().accessKeyID == "a") }
    clock.advance(seconds: 1_000_000)
    #expect(try cache.credentials().accessKeyID == "a")
    #expect(source.asked.withLock { $0 } == 1)
  }

  @Test func endingOnesAreReplacedBeforeTheirEnd() throws {
    source.next.withLock { $0 = [made("a", 5000), made("b", 9000)] }
    let cache = cache
    #expect(try cache.credentials().accessKeyID == "a")
    clock.advance(seconds: 3600)
    #expect(try cache.credentials().accessKeyID == "a")
    clock.advance(seconds: 200)
    #expect(try cache.credentials().accessKeyID == "b")
  }

  @Test func failuresLeaveTheOldOnesUntilTheirEnd() throws {
    source.next.withLock { $0 = [made("a", 5000)] }
    let cache = cache
    _ = try cache.credentials()
    clock.advance(seconds: 3900)
    for _ in 0..<5 { #expect(try cache.credentials().accessKeyID == "a") }
    // Not once for each request.
    #expect(source.asked.withLock { $0 } == 2)
    clock.advance(seconds: 31)
    #expect(try cache.credentials().accessKeyID == "a")
    #expect(source.asked.withLock { $0 } == 3)
    clock.advance(seconds: 200)
    let error = failure { _ = try cache.credentials() }
    #expect(error?.description.contains("test: empty") == true)
    source.next.withLock { $0 = [made("b", 9000)] }
    #expect(try cache.credentials().accessKeyID == "b")
  }

  @Test func oneThreadReplacesWhileOthersGoOn() throws {
    source.next.withLock { $0 = [made("a", 5000), made("b", 9000)] }
    let cache = cache
    _ = try cache.credentials()
    clock.advance(seconds: 3900)
    source.gate.change { $0 = false }
    let replaced = Lock("")
    let source = source
    let thread = try SystemThread.start("replace") { replaced.withLock { $0 = (try? cache.credentials().accessKeyID) ?? "" } }
    while source.asked.withLock({ $0 }) < 2 { SystemThread.yield() }
    #expect(try cache.credentials().accessKeyID == "a")
    source.gate.change { $0 = true }
    thread.join()
    #expect(replaced.withLock { $0 } == "b")
    #expect(try cache.credentials().accessKeyID == "b")
    #expect(source.asked.withLock { $0 } == 2)
  }

  @Test func thoseWithoutAnyWaitForTheOneThatLoads() throws {
    source.next.withLock { $0 = [made("a")] }
    source.gate.change { $0 = false }
    let cache = cache
    let found = Lock<[String]>([])
    let threads = try (0..<8).map { _ in
      try SystemThread.start("wait") {
        let id = (try? cache.credentials().accessKeyID) ?? "none"
        found.withLock { $0.append(id) }
      }
    }
    let source = source
    while source.asked.withLock({ $0 }) == 0 { SystemThread.yield() }
    source.gate.change { $0 = true }
    for thread in threads { thread.join() }
    #expect(found.withLock { $0 } == Array(repeating: "a", count: 8))
    #expect(source.asked.withLock { $0 } == 1)
  }

  @Test func rejectedOnesAreLoadedAnewOnce() throws {
    source.next.withLock { $0 = [made("a"), made("b")] }
    let cache = cache
    let old = try cache.credentials()
    cache.reject(old)
    #expect(try cache.credentials().accessKeyID == "b")
    // Another thread that had the old ones, too.
    cache.reject(old)
    #expect(try cache.credentials().accessKeyID == "b")
  }
}
