import AOFCore

/// Where a remote is, as people write it: `dir:PATH`.
public enum RemoteLocation: Hashable, Sendable {
  /// An absolute path.
  case directory(path: String)

  /// Reads `dir:PATH`; a relative path counts from `workingDirectory`, which is absolute. Doubled and
  /// trailing slashes and `.` parts are dropped, so that two ways of writing a path compare equal; `..` is
  /// kept, for it may cross a symbolic link.
  ///
  /// - Throws: `invalidArgument`.
  public init(parsing text: String, workingDirectory: String) throws(AofError) {
    guard let colon = text.firstIndex(of: ":") else {
      throw AofError(.invalidArgument, "'\(text)' does not say what kind of remote it is", remedy: Self.known)
    }
    guard text[..<colon] == "dir" else {
      throw AofError(
        .invalidArgument, "'\(text)': remotes of kind '\(text[..<colon])' are not known", remedy: Self.known)
    }
    let path = String(text[text.index(after: colon)...])
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw AofError(.invalidArgument, "'\(text)' names no directory", remedy: Self.known)
    }
    let absolute = path.hasPrefix("/") ? path : workingDirectory + "/" + path
    self = .directory(path: "/" + absolute.split(separator: "/").filter { $0 != "." }.joined(separator: "/"))
  }

  private static let known = "use dir:PATH, a directory, which is the one kind of remote that this aofs has"

  /// Opens the store there. Creates a missing directory if `create` is set. Blocks on it.
  ///
  /// - Throws: `notFound`; `remoteFailure`.
  public func open(create: Bool) throws(AofError) -> any RemoteStore {
    switch self {
    case .directory(let path): try DirectoryStore(path: path, create: create)
    }
  }

  /// Opens the store there for reading alone: nothing there is created or deleted. Blocks on it.
  ///
  /// - Throws: `notFound`; `remoteFailure`.
  package func openForReading() throws(AofError) -> any RemoteStore {
    switch self {
    case .directory(let path): try DirectoryStore(reading: path)
    }
  }
}

extension RemoteLocation: CustomStringConvertible {
  /// As ``init(parsing:workingDirectory:)`` reads it.
  public var description: String {
    switch self {
    case .directory(let path): "dir:\(path)"
    }
  }
}
