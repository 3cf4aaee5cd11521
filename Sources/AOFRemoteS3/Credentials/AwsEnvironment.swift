import AOFCore
import AOFSystem
import Foundation

/// What the surroundings say: environment variables, and the files that AWS's own tools share.
struct AwsEnvironment: Sendable {
  let variables: [String: String]
  /// The bytes of a file. - Throws: `notFound`; what the system says.
  let readFile: @Sendable (String) throws(AofError) -> [UInt8]
  /// What a command line prints that may take so many milliseconds, unless it is stopped. - Throws: when it fails.
  var run: @Sendable (String, Int, StopSignal) throws(AofError) -> [UInt8] = { command, time, stop throws(AofError) in
    try ShellCommand.output(of: command, limit: largestFile, timeout: time, unless: stop)
  }

  /// This process's. Links are followed: people link these files, and Kubernetes hands out each token behind two links.
  static let system = AwsEnvironment(variables: ProcessInfo.processInfo.environment) { path throws(AofError) in
    try ByteStream.open(path, .read).readAll(limit: largestFile)
  }

  private static let largestFile = 1 << 20

  /// The value of a variable that is set and not empty.
  subscript(name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }

  /// The profile that is asked for.
  var profile: String { self["AWS_PROFILE"] ?? self["AWS_DEFAULT_PROFILE"] ?? "default" }
  var isProfileNamed: Bool { self["AWS_PROFILE"] != nil || self["AWS_DEFAULT_PROFILE"] != nil }

  var credentialsFile: String? { self["AWS_SHARED_CREDENTIALS_FILE"] ?? self["HOME"].map { $0 + "/.aws/credentials" } }
  var configFile: String? { self["AWS_CONFIG_FILE"] ?? self["HOME"].map { $0 + "/.aws/config" } }

  /// What a file says of a profile.
  enum Section {
    case found([String: String])
    case noSection
    case noFile
  }

  /// - Throws: when the file is there and cannot be read.
  func section(of profile: String, in path: String, isConfig: Bool) throws(AofError) -> Section {
    let bytes: [UInt8]
    do throws(AofError) {
      bytes = try readFile(path)
    } catch where error.code == .notFound || error.code == .notADirectory {
      return .noFile
    }
    let sections = Self.sections(String(decoding: bytes, as: UTF8.self))
    // In the config file all but the default profile are called "profile NAME".
    let plain = isConfig && profile != "default" ? nil : sections[profile]
    return (plain ?? sections["profile \(profile)"]).map { .found($0) } ?? .noSection
  }

  /// The region of the environment, else of the profile; nil if neither has one.
  var region: String? {
    if let region = self["AWS_REGION"] ?? self["AWS_DEFAULT_REGION"] { return region }
    guard let configFile, case .found(let section)? = try? section(of: profile, in: configFile, isConfig: true) else { return nil }
    return section["region"]
  }

  /// The sections of an INI file: `[name]`, `key = value`, comments after `#` and `;`. Settings that are nested below a
  /// key without a value, as those of `s3 =` are, are left out.
  static func sections(_ text: String) -> [String: [String: String]] {
    var sections: [String: [String: String]] = [:]
    var current: String?
    /// How far the last key without a value is indented; nil if the last key has one.
    var nestedBelow: Int?
    for whole in text.split(whereSeparator: \.isNewline) {
      let line = whole.trimmingPrefix(while: \.isWhitespace)
      let indent = whole.count - line.count
      if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
        let name = sectionName(line[line.index(after: line.startIndex)..<end])
        // A section without keys is one all the same.
        sections[name, default: [:]] = sections[name] ?? [:]
        (current, nestedBelow) = (name, nil)
      } else if !line.hasPrefix("#"), !line.hasPrefix(";"), let current, let equals = line.firstIndex(of: "=") {
        if let nestedBelow, indent > nestedBelow { continue }
        let key = line[..<equals].split(whereSeparator: \.isWhitespace).joined().lowercased()
        // A comment after a value begins with a space.
        let value = line[line.index(after: equals)...].prefixBeforeComment
        sections[current, default: [:]][key] = value
        nestedBelow = value.isEmpty ? indent : nil
      }
    }
    return sections
  }

  /// What stands between brackets, with one space after the kind. A profile's name may be in quotes: `profile "a b"`.
  private static func sectionName(_ text: Substring) -> String {
    let words = text.split(maxSplits: 1, whereSeparator: \.isWhitespace)
    guard let kind = words.first, words.count > 1 else { return words.joined() }
    var name = words[1].trimmingCharacters(in: .whitespaces)
    if let quote = name.first, quote == "\"" || quote == "'", name.count > 1, name.last == quote {
      name = String(name.dropFirst().dropLast())
    }
    return "\(kind) \(name)"
  }
}

extension Substring {
  fileprivate var prefixBeforeComment: String {
    var text = String(self)
    for mark in [" #", " ;", "\t#", "\t;"] {
      if let comment = text.range(of: mark) { text.removeSubrange(comment.lowerBound...) }
    }
    return text.trimmingCharacters(in: .whitespaces)
  }
}
