import AOFCore

/// Where a remote is, as people write it: `dir:PATH` or `s3://BUCKET/PREFIX`.
public enum RemoteLocation: Hashable, Sendable {
  /// An absolute path.
  case directory(path: String)
  case s3(S3Location)

  /// Reads `dir:PATH` and `s3://BUCKET/PREFIX?SETTINGS`; a relative path counts from `workingDirectory`, which is
  /// absolute. Doubled and trailing slashes and `.` parts are dropped, so that two ways of writing a path compare equal;
  /// `..` is kept, for it may cross a symbolic link.
  ///
  /// - Throws: `invalidArgument`.
  public init(parsing text: String, workingDirectory: String) throws(AofError) {
    guard let colon = text.firstIndex(of: ":") else {
      throw AofError(.invalidArgument, "'\(text)' does not say what kind of remote it is", remedy: Self.known)
    }
    switch text[..<colon] {
    case "dir":
      let path = try Self.path(text, after: colon)
      let absolute = path.hasPrefix("/") ? path : workingDirectory + "/" + path
      self = .directory(path: "/" + absolute.split(separator: "/").filter { $0 != "." }.joined(separator: "/"))
    case "s3" where text.hasPrefix("s3://"):
      self = .s3(try S3Location(parsing: text[...]))
    default:
      throw AofError(
        .invalidArgument, "'\(text)': remotes of kind '\(text[..<colon])' are not known", remedy: Self.known)
    }
  }

  private static func path(_ text: String, after colon: String.Index) throws(AofError) -> String {
    let path = String(text[text.index(after: colon)...])
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw AofError(.invalidArgument, "'\(text)' names no directory", remedy: known)
    }
    return path
  }

  private static let known = "use dir:PATH for a directory, or s3://BUCKET/PREFIX"

  /// What makes it this remote and no other: settings may change while it stays.
  public var place: String {
    switch self {
    case .directory: description
    case .s3(let location): location.place
    }
  }

  /// Looks at what is asked for now. Apart from reading a location: a store that has such settings must still open, to be
  /// given others.
  ///
  /// - Throws: `invalidArgument` for settings with which objects can be written and not be read.
  package func checkUsable() throws(AofError) {
    guard case .s3(let location) = self, let name = location.settings.storageClass,
      S3Settings.slowClasses.contains(name.uppercased())
    else { return }
    throw AofError(
      .invalidArgument, "objects of the S3 storage class \(name) must be restored before they are read",
      remedy: "use GLACIER_IR, or another class whose objects can be read at once")
  }

  /// The same place, with the settings of `other` where it has any.
  package func overridden(by other: RemoteLocation) -> RemoteLocation {
    guard case .s3(var location) = self, case .s3(let news) = other else { return self }
    location.settings = location.settings.overridden(by: news.settings)
    return .s3(location)
  }
}

extension RemoteLocation: CustomStringConvertible {
  /// As ``init(parsing:workingDirectory:)`` reads it. Holds no secrets.
  public var description: String {
    switch self {
    case .directory(let path): "dir:\(path)"
    case .s3(let location): location.description
    }
  }
}
