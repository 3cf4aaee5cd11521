import AOFCore

/// Where a bucket is and how objects are kept in it: all that is no secret, as people write it and the manifest keeps it.
///
/// `s3://BUCKET/PREFIX?endpoint=…&region=…`. Bucket and prefix are the place; the settings after the `?` say how to get
/// there, and may change while the place stays.
public struct S3Location: Hashable, Sendable {
  public let bucket: String
  /// What keys begin with, without slashes at its ends; empty for the whole bucket.
  public let prefix: String
  public var settings: S3Settings

  /// The longest prefix, in bytes: with our longest key it stays within the 1,024 of S3.
  static let longestPrefix = 512

  /// - Throws: `invalidArgument` for names that S3 does not have, or that would need escapes.
  public init(bucket: String, prefix: String, settings: S3Settings = S3Settings()) throws(AofError) {
    guard Self.isPossible(bucket: bucket) else {
      throw AofError(
        .invalidArgument, "'\(bucket)' is not possible as the name of a bucket",
        remedy: "buckets have 3 to 63 lower-case letters, digits, '-' and '.': s3://BUCKET/PREFIX")
    }
    let parts = prefix.split(separator: "/")
    self.bucket = bucket
    self.prefix = parts.joined(separator: "/")
    self.settings = settings
    guard self.prefix.isEmpty || (self.prefix.utf8.count <= Self.longestPrefix && (try? RemoteKey(self.prefix)) != nil)
    else {
      throw AofError(
        .invalidArgument, "'\(prefix)' is not possible as a prefix",
        remedy: "use letters, digits, '.', '_' and '-' in parts joined by '/' that do not begin with '.', at most "
          + "\(Self.longestPrefix) bytes")
    }
  }

  private static func isPossible(bucket: String) -> Bool {
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    let bytes = Array(bucket.utf8)
    guard (3...63).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
    return isAlphanumeric(first) && isAlphanumeric(last) && !bucket.contains("..")
      && bytes.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
  }

  /// Bucket and prefix, without settings.
  public var place: String { "s3://\(bucket)" + (prefix.isEmpty ? "" : "/\(prefix)") }

  /// What comes before each key.
  package var keyPrefix: String { prefix.isEmpty ? "" : prefix + "/" }
}

extension S3Location {
  /// Reads what ``description`` says; `text` begins with `s3://`.
  ///
  /// - Throws: `invalidArgument`, naming what is wrong; also for credentials, which no location holds.
  init(parsing text: Substring) throws(AofError) {
    let pieces = text.dropFirst("s3://".count).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let path = pieces.first ?? ""
    let slash = path.firstIndex(of: "/") ?? path.endIndex
    var settings = S3Settings()
    for item in (pieces.count > 1 ? pieces[1] : "").split(separator: "&") {
      let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(pair.first ?? "")
      guard let setting = S3Settings.Name(rawValue: name) else {
        throw AofError(
          .invalidArgument, "'\(name)' is not a setting of an S3 remote",
          remedy: "use \(S3Settings.Name.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      guard let value = String(pair.count > 1 ? pair[1] : "").removingPercents else {
        throw AofError(.invalidArgument, "the value of '\(name)' has a '%' without two hexadecimal digits")
      }
      try settings.set(setting, value)
    }
    try self.init(bucket: String(path[..<slash]), prefix: String(path[slash...]), settings: settings)
  }
}

extension S3Location: CustomStringConvertible {
  public var description: String {
    let items = S3Settings.Name.allCases.compactMap { name in
      settings[name].map { "\(name.rawValue)=\($0.addingPercents)" }
    }
    return place + (items.isEmpty ? "" : "?" + items.joined(separator: "&"))
  }
}
