/// What a file imports, and where.
func imports(of file: RepositoryFile) -> [(line: Int, module: String)] {
  let pattern =
    #/^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+/#
  let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias", "actor"]
  return file.codeLines.enumerated()
    .flatMap { index, line in
      line.split(separator: ";").compactMap { statement -> (Int, String)? in
        guard let match = statement.prefixMatch(of: pattern) else { return nil }
        var words = statement[match.range.upperBound...].split(whereSeparator: \.isWhitespace)
        if let first = words.first, kinds.contains(first) { words.removeFirst() }
        guard let module = words.first?.split(separator: ".").first else { return nil }
        return (index + 1, String(module))
      }
    }
}

/// The layers: each module imports what its row of the table lists.
func importViolations(in file: RepositoryFile) -> [Violation] {
  guard let module = file.module else { return [] }
  guard let allowed = ImportTable.allowed[module] else {
    return [Violation(path: file.path, line: 1, reason: "\(module) has no row in ImportTable.allowed")]
  }
  return imports(of: file).compactMap { line, imported in
    let reason: String
    if imported == module {
      reason = "\(module) imports itself"
    } else if let owner = ImportTable.owners[imported], owner != module {
      reason = "\(imported) is imported by \(owner) alone"
    } else if imported == "Glibc", module != "AOFSystem" {
      let seen = ImportTable.constantsOfLibc.keys.contains(where: file.path.hasPrefix)
      if seen || ImportTable.libcCallers[file.path] != nil { return nil }
      reason = "libc belongs to AOFSystem; a file that needs only constants states so in ImportTable"
    } else if imported == "Foundation", ImportTable.withoutFoundation.contains(where: file.path.hasPrefix),
      !ImportTable.jsonOfFoundation.contains(where: file.path.hasPrefix)
    {
      reason = "Foundation does not belong on the path of a read, nor in the vocabulary"
    } else if !allowed.contains(imported) {
      reason = "\(module) may not import \(imported)"
    } else {
      return nil
    }
    return Violation(path: file.path, line: line, reason: reason)
  }
}

/// Calls of libc outside AOFSystem, also where Foundation makes them visible without an import of Glibc.
func libcCallViolations(in file: RepositoryFile) -> [Violation] {
  guard let module = file.module, module != "AOFSystem", ImportTable.libcCallers[file.path] == nil else { return [] }
  let call = #/(?<before>^|[^\w.`])(?:Glibc\.)?(?<name>[a-z_0-9]+)\(/#
  var found: [Violation] = []
  for (index, line) in file.codeLines.enumerated() {
    for match in line.matches(of: call) where ImportTable.libcCalls.contains(String(match.name)) {
      // A declaration of, or an unqualified call to, a method of the same name is not a call of libc; where
      // the file does not see libc at all, it cannot be one.
      let isDeclaration = line[..<match.name.startIndex].hasSuffix("func ")
      if isDeclaration || !seesLibc(file) { continue }
      found.append(
        Violation(path: file.path, line: index + 1, reason: "\(match.name)() is called by AOFSystem alone"))
    }
  }
  return found
}

private func seesLibc(_ file: RepositoryFile) -> Bool {
  imports(of: file).contains { $0.module == "Glibc" || $0.module == "Foundation" }
}
