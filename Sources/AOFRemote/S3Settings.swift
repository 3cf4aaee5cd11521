import AOFCore

/// How to reach a bucket, and how its objects are kept. What is nil is left to the server or the environment.
public struct S3Settings: Hashable, Sendable {
  /// What the settings are called in a location and, with dashes after `--s3-`, on the command line.
  public enum Name: String, CaseIterable, Sendable {
    case endpoint
    case region
    case addressing
    case storageClass = "storage_class"
    case encryption = "sse"
    case caBundle = "ca_bundle"
    case retry
  }

  /// Where the bucket's name stands in a request.
  public enum Addressing: String, Sendable {
    /// In the path: `https://HOST/BUCKET/KEY`. Every server has it; the default with an endpoint.
    case path
    /// In the host's name: `https://BUCKET.HOST/KEY`. The default without an endpoint, which is AWS.
    case virtualHost = "virtual_host"
  }

  private var values: [Name: String] = [:]

  public init() {}

  public subscript(name: Name) -> String? { values[name] }

  /// - Throws: `invalidArgument` for a value that is not possible.
  public mutating func set(_ name: Name, _ value: String) throws(AofError) {
    if let problem = Self.problem(name, value) {
      throw AofError(.invalidArgument, "'\(value)' is not possible as the S3 \(name.rawValue)", remedy: problem)
    }
    // "https://host/" and "https://host" are the same endpoint.
    values[name] = name == .endpoint && value.hasSuffix("/") ? String(value.dropLast()) : value
  }

  /// These settings, with those of `other` where it has any.
  func overridden(by other: S3Settings) -> S3Settings {
    var settings = self
    settings.values.merge(other.values) { $1 }
    return settings
  }
}

extension S3Settings {
  /// `http` or `https`, host and perhaps port.
  public var endpoint: String? { self[.endpoint] }
  public var region: String? { self[.region] }
  public var addressing: Addressing? { self[.addressing].flatMap(Addressing.init) }
  /// The header `x-amz-storage-class` of new objects.
  public var storageClass: String? { self[.storageClass] }
  /// `AES256`, `aws:kms` or `aws:kms:KEY`.
  public var encryption: String? { self[.encryption] }
  /// A file of certificates to trust in the place of the system's.
  public var caBundle: String? { self[.caBundle] }
  /// For how long a request that fails is tried again.
  public var retry: Duration? { self[.retry].flatMap { Self.seconds($0) }.map { .seconds($0) } }

  /// `30s`, `5m` or `1h`, up to an hour; nil if it is no such time.
  private static func seconds(_ text: String) -> Int? {
    let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600]
    guard let unit = text.last.flatMap({ units[$0] }), let number = Int(text.dropLast()), number > 0,
      number <= longestRetry / unit, text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") })
    else { return nil }
    return number * unit
  }

  /// Longer ones would keep reads from their error for longer than anybody waits.
  private static let longestRetry = 3600

  /// What would be possible in the place of `value`; nil if it is.
  private static func problem(_ name: Name, _ value: String) -> String? {
    switch name {
    case .endpoint:
      isEndpoint(value) ? nil : "write http://HOST, https://HOST or https://HOST:PORT, without path and credentials"
    case .region: isWord(value) ? nil : "write it as the server calls it: eu-central-1"
    case .addressing: Addressing(rawValue: value) == nil ? "use path or virtual_host" : nil
    case .storageClass: isWord(value) ? nil : "write it as the server calls it: STANDARD_IA"
    case .encryption:
      value == "AES256" || value == "aws:kms" || (value.hasPrefix("aws:kms:") && isHeader(value.dropFirst(8)))
        ? nil : "use AES256, aws:kms or aws:kms:KEY"
    case .retry: seconds(value) == nil ? "write a time of up to an hour: 30s, 5m" : nil
    case .caBundle: value.hasPrefix("/") && !value.utf8.contains(0) ? nil : "name a file by its absolute path"
    }
  }

  /// Storage classes of AWS whose objects cannot be read when they are asked for.
  static let slowClasses: Set<String> = ["GLACIER", "DEEP_ARCHIVE"]

  private static func isEndpoint(_ value: String) -> Bool {
    for scheme in ["http://", "https://"] where value.hasPrefix(scheme) {
      let rest = value.dropFirst(scheme.count)
      let host = rest.hasSuffix("/") ? rest.dropLast() : rest
      return !host.isEmpty
        && host.utf8.allSatisfy { byte in
          switch byte {
          case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ":"),
            UInt8(ascii: "["), UInt8(ascii: "]"):
            true
          default: false
          }
        }
    }
    return false
  }

  private static func isWord(_ value: String) -> Bool {
    !value.isEmpty && value.utf8.allSatisfy { $0 < 0x80 && ($0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || isLetterOrDigit($0)) }
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber
  }

  /// Whether it may stand in a header's value.
  private static func isHeader(_ value: Substring) -> Bool {
    !value.isEmpty && value.utf8.allSatisfy { (0x21...0x7E).contains($0) }
  }
}
