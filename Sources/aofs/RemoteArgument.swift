import AOFControl
import AOFCore
import AOFRemote
import AOFSystem
import ArgumentParser

/// How to reach an S3 remote and keep objects there; credentials come from where AWS's own tools have them.
struct S3Options: ParsableArguments {
  @Option(help: ArgumentHelp("The server, as https://HOST:PORT (default: AWS).", valueName: "url")) var s3Endpoint: String?
  @Option(
    help: ArgumentHelp("The bucket's region (default: AWS_REGION, the profile's, us-east-1).", valueName: "region"))
  var s3Region: String?
  @Flag(help: "Name the bucket in the path of requests; the default with an endpoint.") var s3PathStyle = false
  @Flag(help: "Name the bucket in the host of requests; the default without an endpoint.") var s3VirtualHost = false
  @Option(help: ArgumentHelp("The storage class of new objects.", valueName: "class")) var s3StorageClass: String?
  @Option(
    help: ArgumentHelp("Encryption by the server: AES256, aws:kms or aws:kms:KEY.", valueName: "kind"))
  var s3Sse: String?
  @Option(help: ArgumentHelp("Certificates to trust in the place of the system's.", valueName: "file"))
  var s3CaBundle: String?
  @Option(help: ArgumentHelp("How long a request that fails is tried again (default: 30s).", valueName: "time"))
  var s3Retry: String?

  /// - Throws: `invalidArgument` where `-o` says otherwise.
  func add(to list: inout MountOptionList) throws(AofError) {
    try list.add(.s3Endpoint, s3Endpoint)
    try list.add(.s3Region, s3Region)
    if s3PathStyle { list.add(.s3PathStyle) }
    if s3VirtualHost { list.add(.s3VirtualHost) }
    try list.add(.s3StorageClass, s3StorageClass)
    try list.add(.s3Encryption, s3Sse)
    try list.add(.s3CABundle, s3CaBundle)
    try list.add(.s3Retry, s3Retry)
  }
}

/// A remote as the command line names it, made the one text that a store keeps.
enum RemoteArgument {
  /// Nil if no remote is named.
  ///
  /// - Throws: `invalidArgument` for what is no remote, and for options of S3 remotes without one.
  static func text(_ list: MountOptionList) throws(AofError) -> String? {
    let settings = try s3Settings(list)
    let option = settings.first?.option ?? ""
    guard let remote = list.settings[.remote] else {
      guard settings.isEmpty else {
        throw AofError(
          .invalidArgument, "\(option) is given without a remote", remedy: "name it, too: remote s3://BUCKET/PREFIX")
      }
      return nil
    }
    switch try RemoteLocation(parsing: remote, workingDirectory: "/") {
    case .directory:
      guard settings.isEmpty else {
        throw AofError(
          .invalidArgument, "\(option) says nothing of \(remote)", remedy: "leave it out, or use s3://BUCKET/PREFIX")
      }
      // A path is absolute from here on: the daemon's directory is `/`.
      return "dir:" + (try FileFacts.resolved(String(remote.dropFirst("dir:".count))))
    case .s3(var location):
      for setting in settings { try location.settings.set(setting.name, setting.value) }
      return location.description
    }
  }

  /// The settings that the list has, with the options that gave them.
  private static func s3Settings(
    _ list: MountOptionList
  ) throws(AofError) -> [(option: String, name: S3Settings.Name, value: String)] {
    guard !list.switches.isSuperset(of: [.s3PathStyle, .s3VirtualHost]) else {
      throw AofError(
        .invalidArgument, "s3_path_style and s3_virtual_host contradict each other", remedy: "give one of them")
    }
    var found: [(option: String, name: S3Settings.Name, value: String)] = []
    for (option, name) in [
      (.s3Endpoint, .endpoint), (.s3Region, .region), (.s3StorageClass, .storageClass), (.s3Encryption, .encryption),
      (.s3Retry, .retry),
    ] as [(MountOptionList.Setting, S3Settings.Name)] {
      if let value = list.settings[option] { found.append((option.rawValue, name, value)) }
    }
    if let file = list.settings[.s3CABundle] {
      found.append((MountOptionList.Setting.s3CABundle.rawValue, .caBundle, try FileFacts.resolved(file)))
    }
    for (option, value) in [(.s3PathStyle, .path), (.s3VirtualHost, .virtualHost)]
      as [(MountOptionList.Switch, S3Settings.Addressing)] where list.switches.contains(option)
    {
      found.append((option.rawValue, .addressing, value.rawValue))
    }
    return found
  }
}
