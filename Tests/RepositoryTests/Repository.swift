import Foundation

/// A text file of the repository, by its path below the top.
struct RepositoryFile {
  let path: String
  let text: String
  /// The lines of a Swift file without comments and strings; empty for other files.
  let codeLines: [Substring]

  init(path: String, text: String) {
    self.path = path
    self.text = text
    let code = path.hasSuffix(".swift") ? codeOnly(text) : ""
    codeLines = code.split(separator: "\n", omittingEmptySubsequences: false)
  }

  var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

  /// The module below Sources that the file belongs to; nil elsewhere.
  var module: String? {
    let parts = path.split(separator: "/")
    return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
  }
}

/// One place where a rule does not hold.
struct Violation: CustomStringConvertible {
  let path: String
  let line: Int
  let reason: String

  var description: String { "\(path):\(line): \(reason)" }
}

/// The checkout that these tests were built from.
enum Repository {
  static let root: URL = {
    var directory = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { directory.deleteLastPathComponent() }
    return directory
  }()

  /// Every file below one of the given folders whose name ends in one of the given extensions.
  static func files(under folders: [String], extensions: Set<String>) throws -> [RepositoryFile] {
    var found: [RepositoryFile] = []
    for folder in folders {
      let top = root.appending(path: folder)
      guard let walk = FileManager.default.enumerator(atPath: top.path) else { continue }
      for case let relative as String in walk {
        // Build products, and what editors hide.
        if (relative as NSString).lastPathComponent.hasPrefix(".") {
          walk.skipDescendants()
          continue
        }
        guard extensions.contains((relative as NSString).pathExtension) else { continue }
        let path = "\(folder)/\(relative)"
        if isDirectory(path) { continue }
        found.append(try file(path))
      }
    }
    return found.sorted { $0.path < $1.path }
  }

  static func file(_ path: String) throws -> RepositoryFile {
    RepositoryFile(path: path, text: try String(contentsOf: root.appending(path: path), encoding: .utf8))
  }

  private static func isDirectory(_ path: String) -> Bool {
    var answer: ObjCBool = false
    return FileManager.default.fileExists(atPath: root.appending(path: path).path, isDirectory: &answer)
      && answer.boolValue
  }

  static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: root.appending(path: path).path)
  }

  static func swiftSources() throws -> [RepositoryFile] { try sources.get() }

  private static let sources = Result { try files(under: ["Sources"], extensions: ["swift"]) }
}
