import Testing

/// Each rule on samples that keep and break it: a rule that cannot fail proves nothing.
@Suite("Rules can fail")
struct RuleTests {
  private func source(_ path: String, _ text: String) -> RepositoryFile {
    RepositoryFile(path: path, text: text)
  }

  @Test(
    "imports",
    arguments: [
      ("Sources/AOFCore/A.swift", "import Foundation", 1),
      ("Sources/AOFCore/A.swift", "import Glibc", 1),
      ("Sources/AOFCore/Errno.swift", "import Glibc", 0),
      ("Sources/AOFFormat/A.swift", "import AOFEngine", 1),
      ("Sources/AOFFormat/A.swift", "import AOFCore\npackage import AOFSystem", 0),
      ("Sources/AOFEngine/A.swift", "@preconcurrency import GRDB", 1),
      ("Sources/AOFEngine/A.swift", "import struct Foundation.Date", 0),
      ("Sources/AOFEngine/Reading/A.swift", "import struct Foundation.Date", 1),
      ("Sources/AOFFileSystem/A.swift", "public import CFuse3", 1),
      ("Sources/AOFFuse/A.swift", "@testable import AOFEngine", 1),
      ("Sources/AOFFuse/A.swift", "// import AOFEngine\nlet s = \"import Foundation\"", 0),
      ("Sources/AOFFormat/A.swift", "import Foundation", 1), ("Sources/AOFFormat/Remote/A.swift", "import Foundation", 0),
      ("Sources/AOFRemote/A.swift", "import Glibc", 1), ("Sources/AOFFuse/A.swift", "import Glibc", 0),
      ("Sources/aofs/A.swift", "import ArgumentParser; import AOFCore", 0),
      ("Sources/AOFFuse/A.swift", "import ArgumentParser", 1),
      ("Sources/AOFUnheardOf/A.swift", "", 1),
    ])
  func imports(path: String, text: String, count: Int) {
    #expect(importViolations(in: source(path, text)).count == count)
  }

  @Test(
    "calls of libc",
    arguments: [
      ("import Glibc\nlet n = pread(fd, p, 1, 0)", 1),
      ("import Foundation\nlet n = if x { sleep(1) } else { Glibc.usleep(2) }", 2),
      ("import Glibc\nfile.pread(1); x.close(); func open(_ a: Int) {} // open(2)", 0),
      ("import AOFSystem\nopen(1)", 0),
    ])
  func libc(text: String, count: Int) {
    #expect(libcCallViolations(in: source("Sources/AOFEngine/A.swift", text)).count == count)
    #expect(libcCallViolations(in: source("Sources/AOFSystem/A.swift", text)).isEmpty)
  }

  @Test(
    "the read path",
    arguments: [
      ("AOFFileSystem", "let c: ChunkFile", 1), ("AOFFuse", "tail as TailBuffer", 1),
      ("AOFFileSystem", "var cursor: AofCursor // not ChunkFile", 0), ("AOFEngine", "let c: ChunkFile", 0),
      ("AOFFileSystem", "FileHandle(forReadingAtPath: path)", 1), ("aofs", "WalSegment()", 1),
    ])
  func readPath(module: String, text: String, count: Int) {
    #expect(readPathViolations(in: source("Sources/\(module)/A.swift", text)).count == count)
  }

  @Test(
    "reads within the engine",
    arguments: [
      ("Checkpoint/A.swift", "let n = try file.pread(into: buffer, at: 0)", 1),
      ("Reading/A.swift", "let n = try file.pread(into: buffer, at: 0)", 0),
      ("Tail/A.swift", "func read(into buffer: Buffer) // read(into:)", 0),
      ("Tail/A.swift", "try chunk.read(into: buffer)", 1),
    ])
  func engineReads(path: String, text: String, count: Int) {
    #expect(engineReadViolations(in: source("Sources/AOFEngine/\(path)", text)).count == count)
  }

  @Test("file length", arguments: [(399, 0), (400, 0), (401, 1)])
  func length(lines: Int, count: Int) {
    let text = String(repeating: "x\n", count: lines)
    #expect(lengthViolations(in: source("Tests/T/A.swift", text)).count == count)
  }

  @Test(
    "forbidden words",
    arguments: [
      ("let f = Lock<@Sendable () -> Void>({})", 1), ("let f = Lock<(@Sendable (Int) -> Void)?>(nil)", 1),
      ("func f() { fatalError() }", 1), ("let x = try! f()", 1), ("let y = x as! Int", 1),
      ("// TODO: later", 1), ("let a = 1 // FIXME", 1), ("preconditionFailure(\"no\")", 1),
      ("/// Never fatalError(, try! or as!\nlet s = \"as! \\(try! f())\"", 0),
      ("let s = #\"\"\"\nfatalError(\n\"\"\"#", 0), ("/* fatalError( /* x */ try! */ try! f()", 1),
    ])
  func forbidden(text: String, count: Int) {
    #expect(forbiddenViolations(in: source("Sources/AOFCore/A.swift", text)).count == count)
  }

  @Test(
    "@unchecked Sendable",
    arguments: [
      ("final class A: @unchecked Sendable {}", 1),
      ("final class A: @unchecked Sendable {} // guarded by `lock`", 0),
      ("// Every field is guarded by its mutex.\nfinal class A: @unchecked Sendable {}", 0),
      ("// A class.\nfinal class A: @unchecked Sendable {}", 1),
      ("let mutex = 1\nfinal class A: @unchecked Sendable {}", 1),
      ("// Not @unchecked Sendable.", 0),
    ])
  func unchecked(text: String, count: Int) {
    #expect(uncheckedViolations(in: source("Sources/AOFCore/A.swift", text)).count == count)
  }

  @Test(
    "documentation",
    arguments: [
      ("public func f() {}", 1), ("/// Does.\npublic func f() {}", 0),
      ("/// Does.\n@inlinable\npublic static func f() {}\npublic static func f(_ a: Int) {}", 0),
      ("/// Does.\npublic func f() {}\n\npublic func g() {}", 1), ("public struct S {}", 1),
      ("// Not a doc comment.\npublic final class C {}", 1), ("package func f() {}", 0),
      ("public static func < (a: S, b: S) -> Bool { true }\npublic init() {}\npublic var x: Int", 0),
    ])
  func documentation(text: String, count: Int) {
    #expect(documentationViolations(in: source("Sources/AOFCore/A.swift", text)).count == count)
  }

  @Test("what a documented protocol requires needs no second comment")
  func requirementsOfProtocols() {
    let contract = source("Sources/A/P.swift", "public protocol P {\n  /// Does.\n  func f()\n  func g()\n}\nfunc h() {}")
    let required = Set(requirements(in: contract))
    #expect(required == ["f"])
    let text = source("Sources/A/C.swift", "public func f() {}\n\npublic func g() {}")
    #expect(documentationViolations(in: text, requirements: required).map(\.line) == [3])
  }

  @Test("top level")
  func layout() {
    let entries = ["Sources", ".git", ".build", ".build-tsan", "Package.resolved", "README.md", "notes.txt", "old"]
    #expect(topLevelViolations(entries: entries).map(\.path) == ["notes.txt", "old"])
  }

  @Test("links")
  func links() {
    let pages = ["docs/A.md": "# One two\n<a id=\"row\"></a>", "README.md": ""]
    let text = """
      [a](A.md) [b](A.md#one-two) [c](../README.md) [d](https://example.org/x) [e](#here) [f](A.md#row)
      # Here
      [g](B.md) [h](A.md#three)
      ```
      [i](C.md)
      ```
      """
    let found = linkViolations(
      in: source("docs/S.md", text), exists: { pages[$0] != nil || $0 == "docs/S.md" },
      text: { $0 == "docs/S.md" ? text : pages[$0] })
    #expect(found.map(\.line) == [3, 3])
  }

  @Test("formats")
  func formats() {
    #expect(formatViolations(in: source("docs/format/a.md", "# A\nVersion: 1\n")).isEmpty)
    #expect(formatViolations(in: source("docs/format/a.md", "# A\nNo version at all\n")).count == 1)
  }

  @Test("semantics")
  func semantics() {
    #expect(semanticIDs(in: "| id | x |\n|---|---|\n| `open-read` | ok |\n| `a` `b` |\n") == ["open-read"])
    #expect(testedIDs(in: "@Test(\"§open-read opens, §close: closes\")\nlet open = a[0]") == ["open-read", "close"])
  }

  @Test("shell")
  func shell() throws {
    #expect(isShellScript(source("x", "#!/usr/bin/env bash\n")))
    #expect(!isShellScript(source("x", "#!/usr/bin/env python3\n")))
    #expect(try shellComplaint(path: "/dev/null") == nil)
    #expect(try shellComplaint(path: "/no/such/script") != nil)
  }

  @Test("comments and strings are blanked, line by line")
  func lexer() {
    #expect(codeOnly("a // b\nc /* d\ne */ f \"g\\\"h\" i") == "a     \nc     \n     f        i")
    #expect(codeOnly("\"\"\"\nx \"y\"\n\"\"\" z") == "   \n     \n    z")
    #expect(codeOnly("#\"a\"b\"# c") == "         c".suffix(9))
  }
}
