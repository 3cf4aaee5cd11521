/// The longest file of Sources, Tests and Benchmarks, in lines.
let longestFile = 400

/// Files over ``longestFile``, each with its reason. May only shrink.
let longerFiles: [String: String] = [:]

func lengthViolations(in file: RepositoryFile) -> [Violation] {
  var count = file.lines.count
  if file.text.hasSuffix("\n") { count -= 1 }
  guard count > longestFile, longerFiles[file.path] == nil else { return [] }
  return [Violation(path: file.path, line: count, reason: "\(count) lines; split it (at most \(longestFile))")]
}

/// What no source may contain: traps on outside data, and promises in place of code.
func forbiddenViolations(in file: RepositoryFile) -> [Violation] {
  var found: [Violation] = []
  let inCode = ["fatalError(", "try!", "as!", "preconditionFailure("]
  for (index, line) in file.codeLines.enumerated() {
    for word in inCode where line.contains(word) {
      found.append(Violation(path: file.path, line: index + 1, reason: "'\(word)' has no place in Sources"))
    }
  }
  let storedFunction = #/\b(Lock|Monitor)<\(*@Sendable/#
  for (index, line) in file.codeLines.enumerated() where line.contains(storedFunction) {
    found.append(Violation(path: file.path, line: index + 1, reason: "each access to a function in there wraps it anew: use Hook"))
  }
  for (index, line) in file.lines.enumerated() {
    for word in ["TODO", "FIXME", "XXX:"] where line.contains(word) {
      found.append(Violation(path: file.path, line: index + 1, reason: "'\(word)': do it, or open an issue"))
    }
  }
  return found
}

/// `@unchecked Sendable` is a claim that needs its evidence: the lock, or why none is needed, in a comment
/// on the same line or the comment right above.
func uncheckedViolations(in file: RepositoryFile) -> [Violation] {
  let lines = file.lines
  let evidence = #/(?i)lock|mutex|monitor|immutable|atomic|confined|owned/#
  return file.codeLines.enumerated().compactMap { index, line in
    guard line.contains("@unchecked Sendable") else { return nil }
    let here = lines[index].split(separator: "//", maxSplits: 1).dropFirst().joined()
    let above = index > 0 ? lines[index - 1].trimmingPrefix(while: \.isWhitespace) : ""
    let comment = here + (above.hasPrefix("//") ? String(above) : "")
    guard comment.firstMatch(of: evidence) == nil else { return nil }
    return Violation(
      path: file.path, line: index + 1, reason: "@unchecked Sendable without its lock named beside it")
  }
}

/// Public types and functions carry a doc comment. Members that say what they are by their type's comment or
/// by a protocol (stored properties, cases, initialisers, operators, `description`) need none of their own;
/// an overload right below shares its sibling's, and what a protocol of ours requires is documented there.
func documentationViolations(in file: RepositoryFile, requirements: Set<String> = []) -> [Violation] {
  let declaration =
    #/^\s*(?:@\w+(?:\([^)]*\))?\s+)*public\s+(?:(?:static|final|mutating|indirect|nonisolated|override|borrowing|consuming)\s+)*(?<kind>func|struct|class|enum|protocol|actor|typealias)\s+(?<name>\w+)/#
  let lines = file.lines.map { $0.trimmingPrefix(while: \.isWhitespace) }
  let members: Set<Substring> = ["description", "debugDescription", "hash", "encode"]
  var previousName: Substring?
  var found: [Violation] = []
  for (index, line) in file.codeLines.enumerated() {
    guard let match = line.prefixMatch(of: declaration) else { continue }
    defer { previousName = match.name }
    if members.contains(match.name) || match.name == previousName { continue }
    if match.kind == "func", requirements.contains(String(match.name)) { continue }
    var above = index - 1
    while above >= 0, lines[above].hasPrefix("@") { above -= 1 }
    if above >= 0, lines[above].hasPrefix("///") || lines[above].hasSuffix("*/") { continue }
    found.append(
      Violation(path: file.path, line: index + 1, reason: "public \(match.kind) \(match.name) has no comment"))
  }
  return found
}

/// The functions that a file's protocols require with a doc comment.
func requirements(in file: RepositoryFile) -> [String] {
  var isProtocol = false
  var isDocumented = false
  return file.lines.compactMap { line in
    if line.contains(#/^(?:public |package )?protocol /#) { isProtocol = true }
    if line.hasPrefix("}") { isProtocol = false }
    guard isProtocol else { return nil }
    let text = line.trimmingPrefix(while: \.isWhitespace)
    defer { isDocumented = text.hasPrefix("///") || (isDocumented && text.hasPrefix("@")) }
    guard isDocumented, let match = text.firstMatch(of: #/\bfunc (?<name>\w+)/#) else { return nil }
    return String(match.name)
  }
}

/// There is one read path: `AofCursor`, in AOFEngine/Reading. The engine's stores of bytes are not named above
/// the engine, and what serves the mount opens no files of the store.
func readPathViolations(in file: RepositoryFile) -> [Violation] {
  guard let module = file.module, let names = ReadPath.forbidden[module] else { return [] }
  return words(in: file).compactMap { line, word in
    guard names.contains(word) else { return nil }
    return Violation(path: file.path, line: line, reason: "\(word): logs are read through AofCursor alone")
  }
}

/// Every identifier of a file, with its line.
func words(in file: RepositoryFile) -> [(line: Int, word: String)] {
  file.codeLines.enumerated()
    .flatMap { index, line in line.matches(of: #/\w+/#).map { (index + 1, String(line[$0.range])) } }
}
