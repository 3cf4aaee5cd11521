import Foundation
import Testing

/// The rules, held to the whole repository. `RuleTests` shows that each of them can fail.
@Suite("Repository")
struct RepositoryTests {
  @Test("Modules import what their layer allows")
  func imports() throws {
    expectNone(try Repository.swiftSources().flatMap(importViolations))
  }

  @Test("The import table and Sources name the same modules")
  func importTable() throws {
    let folders = try FileManager.default.contentsOfDirectory(
      atPath: Repository.root.appending(path: "Sources").path
    ).filter { !$0.hasPrefix(".") }
    #expect(Set(folders) == Set(ImportTable.allowed.keys))
    let excepted = [ImportTable.constantsOfLibc.keys, ImportTable.libcCallers.keys, ReadPath.otherReaders.keys]
    for path in excepted.joined() { #expect(Repository.exists(path), "\(path) is excepted from a rule and is gone") }
  }

  @Test("Only AOFSystem calls libc")
  func libc() throws {
    expectNone(try Repository.swiftSources().flatMap(libcCallViolations))
  }

  @Test("There is one read path")
  func readPath() throws {
    let sources = try Repository.swiftSources()
    expectNone(sources.flatMap(readPathViolations))
    expectNone(sources.flatMap(engineReadViolations))
  }

  @Test("Files are short")
  func length() throws {
    let files = try Repository.files(under: ["Sources", "Tests", "Benchmarks"], extensions: ["swift", "c", "h", "sh", "py"])
    #expect(files.count > 20, "the walk found too little to be the repository")
    expectNone(files.flatMap(lengthViolations))
    for path in longerFiles.keys { #expect(Repository.exists(path), "\(path) is excepted and gone") }
  }

  @Test("Sources neither trap nor promise")
  func forbidden() throws {
    expectNone(try Repository.swiftSources().flatMap(forbiddenViolations))
  }

  @Test("@unchecked Sendable names its lock")
  func unchecked() throws {
    expectNone(try Repository.swiftSources().flatMap(uncheckedViolations))
  }

  @Test("Public types and functions are documented")
  func documentation() throws {
    let sources = try Repository.swiftSources()
    let requirements = Set(sources.flatMap(requirements))
    expectNone(sources.flatMap { documentationViolations(in: $0, requirements: requirements) })
  }

  @Test("The top level holds what it should")
  func layout() throws {
    expectNone(topLevelViolations(entries: try FileManager.default.contentsOfDirectory(atPath: Repository.root.path)))
    for name in ["README.md", "LICENSE", "Package.swift", "docs", "mount-scripts", ".ci"] {
      #expect(Repository.exists(name), "\(name) is missing")
    }
  }

  @Test("Links in Markdown lead somewhere")
  func links() throws {
    let pages = try Repository.files(under: ["docs"], extensions: ["md"]) + [Repository.file("README.md")]
    #expect(pages.count >= 3)
    expectNone(
      pages.flatMap {
        linkViolations(in: $0, exists: Repository.exists) { try? Repository.file($0).text }
      })
  }

  @Test("Every format page states its version")
  func formats() throws {
    expectNone(try Repository.files(under: ["docs/format"], extensions: ["md"]).flatMap(formatViolations))
  }

  @Test("Every row of SEMANTICS.md is tested, and tests name rows that are there")
  func semantics() throws {
    let rows = semanticIDs(in: try Repository.file("docs/SEMANTICS.md").text)
    #expect(rows.count > 40)
    #expect(Set(rows).count == rows.count, "an id is there twice")
    let tests = try Repository.files(under: ["Tests/AOFMountTests", "Tests/System"], extensions: ["swift", "py", "sh"])
    let tested = testedIDs(in: tests.map(\.text).joined(separator: "\n"))
    #expect(Set(rows).subtracting(tested).sorted() == [], "rows without a test")
    #expect(tested.subtracting(rows).sorted() == [], "tests of rows that are not there")
  }

  @Test("Shell scripts parse")
  func shell() throws {
    let scripts = try Repository.files(under: ["mount-scripts", ".ci", "Tests", "Benchmarks"], extensions: ["", "sh", "aofs"])
      .filter(isShellScript)
    #expect(scripts.count >= 3)
    for script in scripts {
      let complaint = try shellComplaint(path: Repository.root.appending(path: script.path).path)
      #expect(complaint == nil, "\(script.path)")
    }
  }

  private func expectNone(_ violations: [Violation], _ location: SourceLocation = #_sourceLocation) {
    guard !violations.isEmpty else { return }
    let list = violations.map(\.description).joined(separator: "\n")
    Issue.record("\(violations.count) violations:\n\(list)", sourceLocation: location)
  }
}
