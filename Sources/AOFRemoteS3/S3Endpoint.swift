import AOFRemote

/// Where requests for a bucket go.
struct S3Endpoint: Sendable {
  /// `https://HOST` and perhaps a port.
  let origin: String
  /// As it is sent in the header `Host`, and so signed.
  let host: String
  /// What each path begins with: the bucket where the host does not name it, and a slash.
  let root: String
  let region: String

  /// The region where nobody names one: that of AWS's oldest, which other servers take for their own.
  static let defaultRegion = "us-east-1"

  init(_ location: S3Location, region: String) {
    self.region = region
    let settings = location.settings
    let endpoint = settings.endpoint ?? Self.amazon(region)
    let parts = endpoint.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
    let scheme = parts.first.map { $0.lowercased() } ?? "https:"
    let authority = Self.withoutDefaultPort((parts.last ?? "").lowercased(), scheme)
    // A certificate for *.s3.amazonaws.com does not cover names with more dots.
    let addressing = settings.addressing
      ?? (settings.endpoint == nil && !location.bucket.contains(".") ? .virtualHost : .path)
    switch addressing {
    case .virtualHost:
      host = "\(location.bucket).\(authority)"
      root = "/"
    case .path:
      host = authority
      root = "/\(location.bucket)/"
    }
    origin = "\(scheme)//\(host)"
  }

  private static func amazon(_ region: String) -> String {
    "https://s3.\(region).amazonaws.com" + (region.hasPrefix("cn-") ? ".cn" : "")
  }

  /// libcurl leaves the port out of `Host` where it is the scheme's own.
  private static func withoutDefaultPort(_ authority: String, _ scheme: String) -> String {
    let port = scheme == "http:" ? ":80" : ":443"
    return authority.hasSuffix(port) ? String(authority.dropLast(port.count)) : authority
  }
}
