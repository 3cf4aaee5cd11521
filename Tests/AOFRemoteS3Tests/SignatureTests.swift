import AOFCore
import Testing

@testable import AOFRemoteS3

/// The examples of AWS: "Examples: Signature Calculations in AWS Signature Version 4" of S3's manual, and those of the
/// Signature Version 4 test suite that hold for S3, which does not rewrite paths.
@Suite struct SignatureTests {
  private static let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

  struct Example: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var service = "s3"
    var content: SignatureV4.Content
    let signature: String

    /// An example of S3's manual, with its bucket.
    init(
      s3 name: String, _ method: String, _ path: String, query: [(String, String)] = [],
      headers: [(String, String)] = [], payload: String = nothing, signature: String
    ) {
      testDescription = name
      let common = [
        ("Host", "examplebucket.s3.amazonaws.com"), ("x-amz-content-sha256", payload),
        ("x-amz-date", "20130524T000000Z"),
      ]
      content = SignatureV4.Content(
        method: method, path: path, query: query.map { (name: $0.0, value: $0.1) },
        headers: (common + headers).map { (name: $0.0, value: $0.1) }, payloadHash: payload)
      self.signature = signature
    }

    /// One of the test suite.
    init(
      suite name: String, _ method: String = "GET", _ path: String = "/", query: [(String, String)] = [],
      headers: [(String, String)] = [], signature: String
    ) {
      testDescription = name
      service = "service"
      let common = [("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")]
      content = SignatureV4.Content(
        method: method, path: path, query: query.map { (name: $0.0, value: $0.1) },
        headers: (common + headers).map { (name: $0.0, value: $0.1) }, payloadHash: nothing)
      self.signature = signature
    }
  }

  static let s3 = [
    Example(
      s3: "GET object", "GET", "/test.txt", headers: [("Range", "bytes=0-9")],
      signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    Example(
      s3: "PUT object", "PUT", "/test%24file.text",
      headers: [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
      payload: Digest.hexSHA256("Welcome to Amazon S3."),
      signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    Example(
      s3: "GET bucket lifecycle", "GET", "/", query: [("lifecycle", "")],
      signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    Example(
      s3: "list objects", "GET", "/", query: [("prefix", "J"), ("max-keys", "2")],
      signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
  ]

  static let suite = [
    Example(suite: "get-vanilla", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    Example(suite: "post-vanilla", "POST", signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    Example(
      suite: "get-vanilla-query-order-key-case", query: [("Param2", "value2"), ("Param1", "value1")],
      signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    Example(
      suite: "get-vanilla-query-order-value", query: [("Param1", "value2"), ("Param1", "value1")],
      signature: "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"),
    Example(
      suite: "get-header-value-trim", headers: [("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
      signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
  ]

  @Test(arguments: s3) func s3Examples(_ example: Example) {
    let signer = SignatureV4(
      credentials: AwsCredentials(
        accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
      region: "us-east-1")
    // 2013-05-24
    let header = signer.authorization(example.content, at: UnixTime(seconds: 1_369_353_600, nanoseconds: 0))
    #expect(header.hasSuffix("Signature=\(example.signature)"))
    #expect(header.hasPrefix("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, Signed"))
  }

  @Test(arguments: suite) func suiteExamples(_ example: Example) {
    let signer = SignatureV4(
      credentials: AwsCredentials(
        accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
      region: "us-east-1", service: example.service)
    // 2015-08-30 12:36
    let header = signer.authorization(example.content, at: UnixTime(seconds: 1_440_938_160, nanoseconds: 0))
    #expect(header.hasSuffix("Signature=\(example.signature)"))
  }

  @Test func queriesAreEscapedAndSorted() {
    #expect(SignatureV4.query([("uploads", "")]) == "uploads=")
    #expect(SignatureV4.query([("b", "2 &="), ("a-b", "é"), ("a", "/~")]) == "a=%2F~&a-b=%C3%A9&b=2%20%26%3D")
    #expect(SignatureV4.escape("a b/c+d", keepingSlashes: true) == "a%20b/c%2Bd")
  }
}
