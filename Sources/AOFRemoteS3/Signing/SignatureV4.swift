import AOFCore
import Foundation

/// AWS Signature Version 4, for one service in one region. Pure: the time is given.
///
/// Ours, since the signature of libcurl 7.88 is wrong for parameters without a value, and for those that are not sorted.
struct SignatureV4 {
  let credentials: AwsCredentials
  let region: String
  var service = "s3"

  /// What is signed of a request.
  struct Content {
    var method: String
    /// As it is sent, with its percent signs.
    var path: String
    /// Names and values without percent signs, in any order.
    var query: [(name: String, value: String)] = []
    /// All of these are signed. `host` must be among them.
    var headers: [(name: String, value: String)]
    /// The SHA-256 of the body, in hexadecimal digits.
    var payloadHash: String
  }

  /// The value of the header `Authorization`. `content` has the header `x-amz-date` with the same time.
  func authorization(_ content: Content, at time: UnixTime) -> String {
    let moment = Self.format(time)
    let scope = "\(moment.prefix(8))/\(region)/\(service)/aws4_request"
    let toSign = ["AWS4-HMAC-SHA256", moment, scope, Digest.hexSHA256(Self.canonical(content))].joined(separator: "\n")
    var key = Digest.hmac(Array("AWS4\(credentials.secretAccessKey)".utf8), String(moment.prefix(8)))
    for part in [region, service, "aws4_request"] { key = Digest.hmac(key, part) }
    return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope), "
      + "SignedHeaders=\(Self.signedHeaders(content)), Signature=\(Digest.hex(Digest.hmac(key, toSign)))"
  }

  /// The request as both sides write it before it is hashed.
  static func canonical(_ content: Content) -> String {
    let headers = grouped(content).map { "\($0.name):\($0.value)\n" }.joined()
    return [
      content.method, content.path, query(content.query), headers, signedHeaders(content), content.payloadHash,
    ].joined(separator: "\n")
  }

  /// `20130524T000000Z`.
  static func format(_ time: UnixTime) -> String {
    Date(timeIntervalSince1970: TimeInterval(time.seconds)).formatted(
      Date.ISO8601FormatStyle(dateSeparator: .omitted, timeSeparator: .omitted, timeZone: .gmt))
  }

  /// A query as it is signed and sent: escaped, then sorted. Every parameter has a `=`.
  static func query(_ items: [(name: String, value: String)]) -> String {
    items.map { (name: escape($0.name), value: escape($0.value)) }
      .sorted { ($0.name, $0.value) < ($1.name, $1.value) }
      .map { "\($0.name)=\($0.value)" }.joined(separator: "&")
  }

  /// Escapes all but the characters that RFC 3986 calls unreserved, and slashes if they are to stay.
  static func escape(_ text: String, keepingSlashes: Bool = false) -> String {
    text.utf8.reduce(into: "") { escaped, byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        escaped.unicodeScalars.append(Unicode.Scalar(byte))
      case UInt8(ascii: "/") where keepingSlashes: escaped += "/"
      default: escaped += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
  }

  private static func signedHeaders(_ content: Content) -> String {
    grouped(content).map(\.name).joined(separator: ";")
  }

  /// By name in lower case, sorted; the values of one name joined with commas, and runs of spaces made one.
  private static func grouped(_ content: Content) -> [(name: String, value: String)] {
    var values: [String: [String]] = [:]
    for (name, value) in content.headers {
      let words = value.split { $0 == " " || $0 == "\t" || $0 == "\n" }
      values[name.lowercased(), default: []].append(words.joined(separator: " "))
    }
    return values.sorted { $0.key < $1.key }.map { ($0.key, $0.value.joined(separator: ",")) }
  }
}
