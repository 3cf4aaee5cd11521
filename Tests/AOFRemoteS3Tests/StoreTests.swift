import AOFCore
import AOFFormat
import AOFRemote
import Testing

@testable import AOFRemoteS3

@Suite struct EndpointTests {
  @Test(arguments: [
    ("s3://bucket/p", "eu-1", "https://bucket.s3.eu-1.amazonaws.com/"),
    ("s3://bucket/p?addressing=path", "eu-1", "https://s3.eu-1.amazonaws.com/bucket/"),
    ("s3://my.bucket/p", "eu-1", "https://s3.eu-1.amazonaws.com/my.bucket/"),
    ("s3://bucket", "cn-north-1", "https://bucket.s3.cn-north-1.amazonaws.com.cn/"),
    ("s3://bucket?endpoint=http://Host:80", "r", "http://host/bucket/"),
    ("s3://bucket?endpoint=https://h:443/", "r", "https://h/bucket/"),
    ("s3://bucket?endpoint=https://h:80", "r", "https://h:80/bucket/"),
    ("s3://bucket?endpoint=http://[::1]:9000&addressing=virtual_host", "r", "http://bucket.[::1]:9000/"),
  ]) func urlsOfBuckets(text: String, region: String, url: String) throws {
    guard case .s3(let location) = try RemoteLocation(parsing: text, workingDirectory: "/") else {
      Issue.record("\(text) is not in S3")
      return
    }
    let endpoint = S3Endpoint(location, region: region)
    #expect(endpoint.origin + endpoint.root == url)
    #expect(url.contains("//\(endpoint.host)/"))
  }
}

@Suite struct StoreTests {
  private static let list = """
    <?xml version="1.0" encoding="UTF-8"?>
    <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>
    """

  private static func entry(_ key: String, _ size: Int = 1) -> String {
    "<Contents><Key>\(key)</Key><Size>\(size)</Size></Contents>"
  }

  @Test func requestsAreSignedWithTheirBody() throws {
    let scripted = try ScriptedStore(answer(200))
    #expect(try scripted.put("hello", as: "a/b") == .created)
    let asked = try #require(scripted.transport.asked.first)
    #expect(asked.method == .put && asked.url == "http://host:9/bucket/pre/a/b")
    #expect(asked.body == Array("hello".utf8))
    #expect(asked.headers["x-amz-content-sha256"] == Digest.hexSHA256("hello"))
    #expect(asked.headers["authorization"]?.contains("Credential=AKID/") == true)
    #expect(asked.headers["authorization"]?.contains("/r/s3/aws4_request") == true)
    #expect(asked.headers["authorization"]?.contains("host;x-amz-content-sha256;x-amz-date") == true)
    #expect(asked.headers["if-none-match"] == nil)
  }

  @Test func storageSettingsGoWithEachObject() throws {
    let location = "s3://bucket?endpoint=http://h&storage_class=COLD&sse=aws:kms:arn:aws:kms:key/1"
    let scripted = try ScriptedStore(ScriptedTransport(answer(200)), at: location)
    _ = try scripted.put("x", as: "o")
    let headers = try #require(scripted.transport.asked.first?.headers)
    #expect(headers["x-amz-storage-class"] == "COLD")
    #expect(headers["x-amz-server-side-encryption"] == "aws:kms")
    #expect(headers["x-amz-server-side-encryption-aws-kms-key-id"] == "arn:aws:kms:key/1")
    #expect(headers["authorization"]?.contains("x-amz-storage-class") == true)
  }

  @Test func temporaryCredentialsSendTheirToken() throws {
    let environment = AwsEnvironment.made([
      "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "tok",
    ])
    let scripted = try ScriptedStore(ScriptedTransport(answer(200, "x")), environment: environment)
    _ = try scripted.get("o")
    #expect(scripted.transport.asked.first?.headers["x-amz-security-token"] == "tok")
  }

  // MARK: Reading

  @Test func rangesAreComparedWithWhatCame() throws {
    let scripted = try ScriptedStore(
      answer(206, "llo", ["Content-Range": "bytes 2-4/9"]), answer(206, "ll", ["Content-Range": "bytes 2-3/9"]),
      answer(206, "llo", ["Content-Range": "bytes 2-4/9"]), answer(206, "ll", ["Content-Range": "bytes 2-3/4"]),
      refusal(416, "InvalidRange"), answer(200, "hel"), answer(200, "llo"), answer(200, "hello"),
      refusal(404, "NoSuchKey"))
    #expect(try scripted.read("o", at: 2, count: 3) == "llo")
    #expect(scripted.transport.asked.first?.headers["range"] == "bytes=2-4")
    // Too little, and the object has more: asked again.
    #expect(try scripted.read("o", at: 2, count: 3) == "llo")
    #expect(failure { _ = try scripted.read("o", at: 2, count: 3) }?.code == .corrupt)
    #expect(failure { _ = try scripted.read("o", at: 9, count: 3) }?.code == .corrupt)
    // A server that knows no ranges serves the start of an object, and nothing else.
    #expect(try scripted.read("o", at: 0, count: 3) == "hel")
    #expect(failure { _ = try scripted.read("o", at: 2, count: 3) }?.code == .unsupported)
    let tooMuch = failure { _ = try scripted.read("o", at: 0, count: 3) }
    #expect(tooMuch?.code == .unsupported && tooMuch?.description.contains("whole object instead of a range") == true)
    #expect(failure { _ = try scripted.read("o", at: 2, count: 3) }?.code == .notFound)
    #expect(scripted.transport.stepsLeft == 0)
  }

  /// As caches on the way do; the object is whole all the same.
  @Test(arguments: ["bytes 0-2/9", "bytes 3-5/9", "bytes 2-3/9", "bytes 2-9/10", "bytes 2-4/3", "words 2-4/9", "", nil])
  func anotherRangeIsAskedForAgain(_ range: String?) throws {
    let headers = range.map { ["Content-Range": $0] } ?? [:]
    let scripted = try ScriptedStore(
      answer(206, "hel", headers), answer(206, "hel", headers), answer(206, "llo", ["Content-Range": "Bytes 2-4/*"]))
    #expect(try scripted.read("o", at: 2, count: 3) == "llo")
    let stubborn = try ScriptedStore(ScriptedTransport([], otherwise: { _ in answer(206, "hel", headers) }))
    #expect(failure { _ = try stubborn.read("o", at: 2, count: 3) }?.code == .remoteFailure)
  }

  /// A proxy's page, say. An object that counts as lost would be given up.
  @Test func whatIsNotFoundByOthersIsNotMissing() throws {
    let page = answer(404, "<html><body>Not Found</body></html>")
    let scripted = try ScriptedStore(
      page, answer(200, "x"), answer(404), answer(206, "llo", ["Content-Range": "bytes 2-4/9"]), page, answer(204),
      answer(404), page, refusal(404, "NoSuchKey"))
    #expect(try scripted.get("o") == "x")
    #expect(try scripted.read("o", at: 2, count: 3) == "llo")
    try scripted.store.delete(RemoteKey("o"))
    #expect(try scripted.store.size(of: RemoteKey("o")) == nil)
    #expect(scripted.transport.asked.map(\.method) == [.get, .get, .get, .get, .delete, .delete, .head, .get, .get])
    let stubborn = try ScriptedStore(ScriptedTransport([], otherwise: { _ in page }))
    let calls: [() throws -> Void] = [
      { _ = try stubborn.get("o") }, { _ = try stubborn.read("o", at: 0, count: 3) },
      { try stubborn.store.delete(RemoteKey("o")) }, { _ = try stubborn.store.size(of: RemoteKey("o")) },
      { _ = try stubborn.store.list(nil, after: nil, limit: 9) },
    ]
    for call in calls {
      let error = failure(call)
      #expect(error?.code == .remoteFailure && error?.description.contains("--s3-endpoint") == true)
    }
  }

  @Test func anAnswerWithoutLengthIsNoMissingObject() throws {
    let scripted = try ScriptedStore(answer(403), answer(206, "h", ["Content-Range": "bytes 0-0/*"]), answer(206, "h", ["Content-Range": "bytes 0-0/9"]))
    #expect(try scripted.store.size(of: RemoteKey("o")) == 9)
  }

  @Test func aMissingBucketIsNoMissingObject() throws {
    let scripted = try ScriptedStore(
      refusal(404, "NoSuchBucket"), answer(404), refusal(404, "NoSuchBucket"), answer(404), refusal(404, "NoSuchKey"),
      answer(403), refusal(403, "AccessDenied"))
    #expect(failure { _ = try scripted.get("o") }?.description.contains("NoSuchBucket") == true)
    // HEAD does not say which; a GET does.
    #expect(failure { _ = try scripted.store.size(of: RemoteKey("o")) }?.description.contains("NoSuchBucket") == true)
    #expect(try scripted.store.size(of: RemoteKey("o")) == nil)
    #expect(failure { _ = try scripted.store.size(of: RemoteKey("o")) }?.description.contains("AccessDenied") == true)
    #expect(scripted.transport.asked.map(\.method) == [.get, .head, .get, .head, .get, .head, .get])
  }

  // MARK: Conditions

  @Test func conditionsAreTriedOutOnce() throws {
    let scripted = try ScriptedStore(answer(200), refusal(412, "PreconditionFailed"), answer(200), answer(200))
    #expect(try scripted.put("x", as: "o", .ifAbsent) == .created)
    #expect(try scripted.put("x", as: "p", .ifAbsent) == .created)
    let asked = scripted.transport.asked
    #expect(asked.map(\.path) == ["/bucket/pre/.aofs-probe", "/bucket/pre/.aofs-probe", "/bucket/pre/o", "/bucket/pre/p"])
    #expect(asked.allSatisfy { $0.headers["if-none-match"] == "*" })
    #expect(asked.allSatisfy { $0.headers["authorization"]?.contains(";if-none-match;") == true })
  }

  @Test func aProbeThatIsThereNeedsOneRequest() throws {
    let scripted = try ScriptedStore(refusal(412, "PreconditionFailed"), refusal(412, "PreconditionFailed"))
    #expect(try scripted.put("x", as: "o", .ifAbsent) == .alreadyExists)
    #expect(scripted.transport.stepsLeft == 0)
  }

  @Test(arguments: [[answer(200), answer(200)], [refusal(501, "NotImplemented")]])
  func serversThatIgnoreConditionsAreRefused(_ answers: [ScriptedTransport.Answer]) throws {
    let scripted = try ScriptedStore(ScriptedTransport(answers: answers))
    for _ in 0..<2 {
      let error = failure { _ = try scripted.put("x", as: "o", .ifAbsent) }
      #expect(error?.code == .unsupported)
      #expect(error?.description.contains("http://host:9") == true)
    }
    #expect(scripted.transport.asked.count == answers.count)
  }

  /// The first try was applied and its answer lost: the second finds its own object, and the chain must not take it for
  /// another writer's.
  @Test func aRecordWhoseAnswerWasLostIsOurs() throws {
    let record = RemoteManifestRecord(
      storeID: "s", sequence: 1, epoch: 1, writerNonce: 7, kind: .delta, time: UnixTime(rawValue: 0))
    let header = try RemoteStoreHeader(storeID: "s").encode()
    let bytes = try record.encode()
    let scripted = try ScriptedStore(
      answer(200, String(decoding: header, as: UTF8.self)), refusal(412, "PreconditionFailed"), noAnswer(.interrupted),
      refusal(412, "PreconditionFailed"), answer(200, String(decoding: bytes, as: UTF8.self)))
    let chain = try RemoteManifestStore(scripted.store, storeID: "s", create: false)
    #expect(try chain.publish(record) == .published)
    #expect(scripted.transport.stepsLeft == 0)
  }

  // MARK: Listing

  @Test func listingsGoOnWhereTheyWereCut() throws {
    let first = Self.list + Self.entry("pre/a/1") + Self.entry("pre/a/%C3%A9%20") + Self.entry("pre/a/2", 7)
      + "<IsTruncated>true</IsTruncated><NextContinuationToken>1/x==</NextContinuationToken></ListBucketResult>"
    let second = Self.list + Self.entry("pre/a/3") + "<IsTruncated>false</IsTruncated></ListBucketResult>"
    let scripted = try ScriptedStore(answer(200, first), answer(200, second))
    let found = try scripted.store.list(RemoteKey("a"), after: RemoteKey("a/0"), limit: 9)
    #expect(found.map(\.key.text) == ["a/1", "a/2", "a/3"] && found.map(\.size) == [1, 7, 1])
    let common = "encoding-type=url&list-type=2&max-keys="
    #expect(
      scripted.transport.asked.map(\.path) == [
        "/bucket/?\(common)9&prefix=pre%2Fa%2F&start-after=pre%2Fa%2F0",
        "/bucket/?continuation-token=1%2Fx%3D%3D&\(common)7&prefix=pre%2Fa%2F&start-after=pre%2Fa%2F0",
      ])
  }

  @Test(arguments: ["", "<html><body>hello</body></html>", list, list + "<Contents><Key>a</Key></Contents></ListBucketResult>",
    list + "<IsTruncated>true</IsTruncated></ListBucketResult>"])
  func partsOfListingsAreAskedForAgain(_ part: String) throws {
    let whole = Self.list + "<IsTruncated>false</IsTruncated></ListBucketResult>"
    let scripted = try ScriptedStore(answer(200, part), answer(200, whole))
    #expect(try scripted.store.list(nil, after: nil, limit: 9).isEmpty)
    #expect(scripted.transport.stepsLeft == 0)
  }

  @Test func deepDocumentsAreRefused() {
    let deep = String(repeating: "<a>", count: 10_000) + String(repeating: "</a>", count: 10_000)
    #expect(S3Document(parsing: Array(deep.utf8)) == nil)
    let bomb = """
      <!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;"><!ENTITY z SYSTEM "file:///etc/passwd">]>
      <a><b>&y;</b><c>&z;</c></a>
      """
    let document = S3Document(parsing: Array(bomb.utf8))
    #expect(document?["c"]?.contains("root") != true)
  }
}
