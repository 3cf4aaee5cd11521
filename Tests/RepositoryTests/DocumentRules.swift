import Foundation

/// What may lie at the top of the repository. What `.gitignore` leaves out does not count.
let topLevel: Set<String> = [
  "Package.swift", "Sources", "Tests", "mount-scripts", "docs", "README.md", "LICENSE", ".ci", "Benchmarks",
  ".swift-format", ".gitignore", ".git",
]

func topLevelViolations(entries: [String]) -> [Violation] {
  entries.filter { !topLevel.contains($0) && !isBuildProduct($0) }
    .map { Violation(path: $0, line: 0, reason: "does not belong at the top of the repository") }
}

private func isBuildProduct(_ name: String) -> Bool {
  name == ".build" || name.hasPrefix(".build-") || name == ".swiftpm" || name == "Package.resolved"
    || name.hasSuffix("~") || name.hasSuffix(".o")
}

/// Links of a Markdown file to files of the repository, and to headings within them, that lead nowhere.
func linkViolations(in file: RepositoryFile, exists: (String) -> Bool, text: (String) -> String?) -> [Violation] {
  var found: [Violation] = []
  for (index, line) in withoutFences(file.lines).enumerated() {
    for match in line.matches(of: #/\]\((?<target>[^)\s]+)\)/#) {
      let target = String(match.target)
      if target.contains("://") || target.hasPrefix("mailto:") { continue }
      let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
      let path = parts[0].isEmpty ? file.path : resolve(String(parts[0]), from: file.path)
      if !exists(path) {
        found.append(Violation(path: file.path, line: index + 1, reason: "the link to \(target) leads nowhere"))
      } else if parts.count == 2, path.hasSuffix(".md"), let page = text(path),
        !anchors(of: page).contains(String(parts[1]))
      {
        found.append(Violation(path: file.path, line: index + 1, reason: "\(path) has no heading #\(parts[1])"))
      }
    }
  }
  return found
}

/// Lines inside ``` fences are blanked: code there is no link.
private func withoutFences(_ lines: [Substring]) -> [Substring] {
  var isFenced = false
  return lines.map { line in
    if line.trimmingPrefix(while: \.isWhitespace).hasPrefix("```") {
      isFenced.toggle()
      return ""
    }
    return isFenced ? "" : line
  }
}

private func resolve(_ target: String, from path: String) -> String {
  var parts = path.split(separator: "/").dropLast().map(String.init)
  for part in target.split(separator: "/").map(String.init) where part != "." {
    if part == "..", parts.last != nil, parts.last != ".." { parts.removeLast() } else { parts.append(part) }
  }
  return parts.joined(separator: "/")
}

/// The anchors that a page's headings and explicit `<a id>` give, in GitHub's spelling.
func anchors(of page: String) -> Set<String> {
  var found: Set<String> = []
  for line in page.split(separator: "\n") {
    if line.hasPrefix("#") {
      let title = line.drop { $0 == "#" || $0 == " " }.lowercased()
      found.insert(
        String(title.compactMap { $0 == " " ? "-" : ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" ? $0 : nil) }))
    }
    for match in line.matches(of: #/<a id="([^"]+)">/#) { found.insert(String(match.1)) }
  }
  return found
}

/// A format page without a version cannot be told from the next one.
func formatViolations(in file: RepositoryFile) -> [Violation] {
  if file.text.firstMatch(of: #/(?im)^.*\bversion\b[^\n]*\d/#) != nil { return [] }
  return [Violation(path: file.path, line: 1, reason: "states no version of the format")]
}

/// The rows of SEMANTICS.md, by the ids in their first column.
func semanticIDs(in page: String) -> [String] {
  page.split(separator: "\n").compactMap { line in
    line.prefixMatch(of: #/\|\s*`(?<id>[a-z0-9-]+)`\s*\|/#).map { String($0.id) }
  }
}

/// The ids of SEMANTICS.md that tests say they test: `§id` in a test's title, or in a system suite.
func testedIDs(in text: String) -> Set<String> {
  Set(text.matches(of: #/§([a-z][a-z0-9-]*[a-z0-9])/#).map { String($0.1) })
}

/// What `bash -n` says of a script; nil if nothing.
func shellComplaint(path: String) throws -> String? {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/bin/bash")
  process.arguments = ["-n", path]
  let pipe = Pipe()
  process.standardError = pipe
  try process.run()
  let said = try pipe.fileHandleForReading.readToEnd() ?? Data()
  process.waitUntilExit()
  return process.terminationStatus == 0 ? nil : String(decoding: said, as: UTF8.self)
}

/// Whether a file is a shell script: by its name or its first line.
func isShellScript(_ file: RepositoryFile) -> Bool {
  file.path.hasSuffix(".sh") || file.text.prefixMatch(of: #/#!\s*(?:/usr)?/bin/(?:env\s+)?(?:ba|da)?sh\b/#) != nil
}
