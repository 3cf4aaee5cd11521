import AOFCore
import AOFSystem
import Foundation
import Testing

@testable import AOFRemote

@Suite struct DirectoryStoreTests {
  private let directory: TemporaryDirectory
  private let store: DirectoryStore

  init() throws {
    directory = try TemporaryDirectory()
    store = try DirectoryStore(path: directory.path, create: false)
  }

  private func put(_ text: String, as key: String, _ condition: RemoteCondition = .ifAbsent) throws
    -> RemoteOutcome
  {
    try Array(text.utf8).withUnsafeBytes { try store.put($0, as: RemoteKey(key), condition) }
  }

  private func get(_ key: String) throws -> String? {
    try store.get(RemoteKey(key), limit: 1 << 20).map { String(decoding: $0, as: UTF8.self) }
  }

  private func read(_ key: String, at offset: UInt64, count: Int) throws -> String {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes { try store.read(RemoteKey(key), at: offset, into: $0) }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func code(_ body: () throws -> Void) -> AofError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? AofError)?.code
    }
  }

  private func leftovers() throws -> [String] { try directory.contents().filter { $0.hasPrefix(".tmp/") } }

  // MARK: Objects

  @Test func objectsRoundTrip() throws {
    #expect(try put("hello world", as: "a/b/c") == .created)
    #expect(try get("a/b/c") == "hello world")
    #expect(try store.size(of: RemoteKey("a/b/c")) == 11)
    #expect(try read("a/b/c", at: 6, count: 5) == "world")
    #expect(try read("a/b/c", at: 11, count: 0) == "")
    #expect(try put("", as: "empty") == .created)
    #expect(try get("empty") == "")
    #expect(try leftovers().isEmpty)
  }

  @Test func missingObjectsAreToldFromFailures() throws {
    for key in ["none", "none/none"] {
      #expect(try get(key) == nil)
      #expect(try store.size(of: RemoteKey(key)) == nil)
      #expect(code { _ = try read(key, at: 0, count: 1) } == .notFound)
      try store.delete(RemoteKey(key))
    }
    // A directory is no object.
    _ = try put("x", as: "a/b")
    #expect(try get("a") == nil)
    #expect(code { _ = try read("a", at: 0, count: 1) } == .notFound)
  }

  @Test func shortObjectsAreErrors() throws {
    _ = try put("0123456789", as: "o")
    #expect(code { _ = try read("o", at: 5, count: 6) } == .corrupt)
    #expect(code { _ = try read("o", at: 10, count: 1) } == .corrupt)
    #expect(code { _ = try read("o", at: .max, count: 1) } == .corrupt)
    #expect(code { _ = try store.get(RemoteKey("o"), limit: 9) } == .tooLarge)
    #expect(try store.get(RemoteKey("o"), limit: 10)?.count == 10)
  }

  @Test func errorsNameStoreAndObject() throws {
    do {
      _ = try read("chunks/7/x", at: 0, count: 1)
      Issue.record("it was read")
    } catch {
      #expect("\(error)".contains("dir:\(directory.path)"))
      #expect("\(error)".contains("chunks/7/x"))
    }
  }

  @Test func conditionsAreKept() throws {
    #expect(try put("1", as: "o") == .created)
    #expect(try put("2", as: "o") == .alreadyExists)
    #expect(try get("o") == "1")
    #expect(try put("3", as: "o", .always) == .created)
    #expect(try get("o") == "3")
    #expect(try leftovers().isEmpty)
  }

  @Test func objectsCanBeDeleted() throws {
    _ = try put("1", as: "a/o")
    try store.delete(RemoteKey("a/o"))
    #expect(try get("a/o") == nil)
    #expect(try put("2", as: "a/o") == .created)
  }

  @Test func modesArePrivate() throws {
    let fresh = try DirectoryStore(path: directory.child("new/root"), create: true)
    _ = try [UInt8](repeating: 1, count: 1).withUnsafeBytes {
      try fresh.put($0, as: RemoteKey("a/b"), .ifAbsent)
    }
    for name in ["new", "new/root", "new/root/.tmp", "new/root/a"] {
      #expect(try directory.permissions(name) == 0o700, "\(name)")
    }
    #expect(try directory.permissions("new/root/a/b") == 0o600)
  }

  @Test func aDirectoryThatVanishedIsMadeAgain() throws {
    _ = try put("1", as: "a/b/o")
    try FileManager.default.removeItem(atPath: directory.child("a"))
    #expect(try put("2", as: "a/b/o") == .created)
    #expect(try get("a/b/o") == "2")
  }

  @Test func aMissingDirectoryIsMadeOnlyIfAsked() throws {
    let path = directory.child("x/y/z")
    #expect(code { _ = try DirectoryStore(path: path, create: false) } == .notFound)
    #expect(try directory.contents() == [".tmp"])
    _ = try DirectoryStore(path: path, create: true)
    _ = try DirectoryStore(path: path, create: false)
    try directory.write([1], to: "file")
    #expect(code { _ = try DirectoryStore(path: directory.child("file"), create: true) } == .remoteFailure)
    #expect(
      code { _ = try DirectoryStore(path: directory.child("file/below"), create: true) } == .remoteFailure)
  }

  // MARK: Uploads

  @Test func uploadsAreInvisibleUntilTheCommit() throws {
    let upload = try store.beginUpload(RemoteKey("big/o"))
    for index in 0..<100 {
      try [UInt8](repeating: UInt8(index), count: 1000).withUnsafeBytes { try upload.write($0) }
    }
    #expect(try get("big/o") == nil)
    #expect(try store.list(nil, after: nil, limit: 10).isEmpty)
    #expect(try upload.commit(.ifAbsent) == .created)
    #expect(try store.get(RemoteKey("big/o"), limit: 1 << 20) == (0..<100_000).map { UInt8($0 / 1000) })
    // It is over.
    upload.abandon()
    #expect(try store.size(of: RemoteKey("big/o")) == 100_000)
    #expect(code { _ = try upload.commit(.ifAbsent) } == .invalidArgument)
    #expect(
      code { try [UInt8](repeating: 0, count: 1).withUnsafeBytes { try upload.write($0) } }
        == .invalidArgument)
  }

  @Test func abandonedUploadsLeaveNothing() throws {
    do {
      let first = try store.beginUpload(RemoteKey("o"))
      try [UInt8(1), 2, 3].withUnsafeBytes { try first.write($0) }
      first.abandon()
      let second = try store.beginUpload(RemoteKey("o"))
      try [UInt8(1), 2, 3].withUnsafeBytes { try second.write($0) }
      #expect(try leftovers().count == 1)
    }
    // The second was let go.
    #expect(try directory.contents() == [".tmp"])
  }

  @Test func leftoversOfACrashAreDeletedAtOpen() throws {
    try directory.write([1, 2, 3], to: ".tmp/00000000000000aa")
    let running = try store.beginUpload(RemoteKey("o"))
    try [UInt8(7)].withUnsafeBytes { try running.write($0) }
    #expect(try leftovers().count == 2)
    let other = try DirectoryStore(path: directory.path, create: false)
    #expect(try leftovers().count == 1)
    // Another store's open leaves the upload that is under way alone.
    #expect(try running.commit(.ifAbsent) == .created)
    #expect(try other.size(of: RemoteKey("o")) == 1)
  }

  @Test(arguments: 0..<10) func aRaceForANameHasOneWinner(round: Int) throws {
    let winners = Lock<[Int]>([])
    let failures = Lock<[String]>([])
    let store = store
    DispatchQueue.concurrentPerform(iterations: 8) { index in
      do {
        let key = try RemoteKey("race/\(round)/o")
        let bytes = [UInt8](repeating: UInt8(index), count: 10_000)
        let outcome = try bytes.withUnsafeBytes { try store.put($0, as: key, .ifAbsent) }
        if outcome == .created { winners.withLock { $0.append(index) } }
        // Whatever the outcome, the object is there and whole.
        let found = try store.get(key, limit: 10_000)
        if found.map({ Set($0).count == 1 && $0.count == 10_000 }) != true {
          failures.withLock { $0.append("\(index) saw a partial object") }
        }
      } catch {
        failures.withLock { $0.append("\(error)") }
      }
    }
    #expect(failures.withLock { $0 } == [])
    let winner = winners.withLock { $0 }
    try #require(winner.count == 1)
    #expect(directory.read("race/\(round)/o")?.first == UInt8(winner[0]))
    #expect(try leftovers().isEmpty)
  }

  // MARK: Listings

  @Test func listingsArePagedInTheOrderOfKeys() throws {
    let keys = ["a-b/c", "a.b", "a/b-c", "a/b.d/e", "a/b/x", "a/z/1", "a/z/2", "b", "B", "0/1", "a0"]
    for key in keys { #expect(try put(key, as: key) == .created) }
    let sorted = keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    #expect(try store.list(nil, after: nil, limit: 100).map(\.key.text) == sorted)
    for limit in 1...keys.count {
      var found: [String] = []
      var last: RemoteKey?
      while true {
        let page = try store.list(nil, after: last, limit: limit)
        found += page.map(\.key.text)
        #expect(page.allSatisfy { $0.size == UInt64($0.key.text.utf8.count) })
        guard page.count == limit else { break }
        last = page.last?.key
      }
      #expect(found == sorted, "limit \(limit)")
    }
  }

  @Test func listingsStayInTheirDirectory() throws {
    for key in ["a/1", "a/2/3", "ab/4", "a-/5"] { _ = try put("", as: key) }
    #expect(try store.list(RemoteKey("a"), after: nil, limit: 9).map(\.key.text) == ["a/1", "a/2/3"])
    #expect(try store.list(RemoteKey("a"), after: RemoteKey("a/1"), limit: 9).map(\.key.text) == ["a/2/3"])
    #expect(try store.list(RemoteKey("none"), after: nil, limit: 9).isEmpty)
    #expect(try store.list(RemoteKey("a"), after: nil, limit: 0).isEmpty)
  }

  @Test func strangersAreNotListed() throws {
    _ = try put("", as: "mine")
    for name in [".hidden", "has space", ".dir/file", "é", "a b/c"] { try directory.write([1], to: name) }
    try FileManager.default.createSymbolicLink(atPath: directory.child("link"), withDestinationPath: "mine")
    try FileManager.default.createSymbolicLink(atPath: directory.child("up"), withDestinationPath: "/")
    #expect(mkfifo(directory.child("pipe"), 0o600) == 0)
    #expect(try store.list(nil, after: nil, limit: 100).map(\.key.text) == ["mine"])
    #expect(try get("pipe") == nil)
  }

  // MARK: Tricks

  @Test func symbolicLinksAreNotFollowed() throws {
    let outside = try TemporaryDirectory()
    try outside.write(Array("secret".utf8), to: "file")
    func link(_ name: String, to target: String) throws {
      try FileManager.default.createSymbolicLink(atPath: directory.child(name), withDestinationPath: target)
    }
    try link("chunks", to: outside.path)
    try link("file", to: outside.child("file"))
    try link("dangling", to: outside.child("new"))

    #expect(code { _ = try put("x", as: "chunks/o") } == .remoteFailure)
    #expect(code { _ = try put("x", as: "chunks/a/o") } == .remoteFailure)
    #expect(code { _ = try read("chunks/file", at: 0, count: 1) } == .remoteFailure)
    #expect(code { _ = try read("file", at: 0, count: 1) } == .remoteFailure)
    #expect(code { try store.delete(RemoteKey("chunks/file")) } == .remoteFailure)
    // The link itself has the name; replacing it replaces the link.
    #expect(try put("x", as: "file") == .alreadyExists)
    #expect(try put("x", as: "dangling") == .alreadyExists)
    #expect(try put("x", as: "file", .always) == .created)
    #expect(try get("file") == "x")
    #expect(try outside.contents() == ["file"])
    #expect(outside.read("file") == Array("secret".utf8))
    #expect(try leftovers().isEmpty)
  }

  @Test func failuresOfTheDirectoryAreFailuresOfTheRemote() throws {
    try directory.write([1], to: "file")
    #expect(code { _ = try put("x", as: "file/o") } == .remoteFailure)
    #expect(code { _ = try read("file/o", at: 0, count: 1) } == .remoteFailure)
    _ = try put("x", as: "d/o")
    #expect(code { _ = try put("x", as: "d", .always) } == .remoteFailure)
    try FileManager.default.removeItem(atPath: directory.child(".tmp"))
    #expect(code { _ = try put("x", as: "o") } == .remoteFailure)
    #expect(try leftovers().isEmpty)
  }
}

@Suite struct RemoteNameTests {
  @Test(arguments: [
    "a", "aofs.json", "manifest/00000000000000000001", "a..b", "A-Z_0.9", String(repeating: "x", count: 255),
  ])
  func possibleKeys(text: String) throws { #expect(try RemoteKey(text).text == text) }

  @Test(arguments: [
    "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".tmp/x", "a/.b", "a b", "a\n",
    "a\u{0}", "é", "a\\b", "a%2Fb",
    String(repeating: "x", count: 256), String(repeating: "x/", count: 512) + "x",
  ]) func impossibleKeys(text: String) {
    #expect(throws: AofError.self) { try RemoteKey(text) }
  }

  @Test(arguments: [
    ("dir:/a/b", "dir:/a/b"), ("dir:/a//b/", "dir:/a/b"), ("dir:b", "dir:/work/b"),
    ("dir:./b/.", "dir:/work/b"),
    ("dir:../b", "dir:/work/../b"), ("dir:/", "dir:/"), ("dir:a:b", "dir:/work/a:b"),
  ]) func locationsAreNormalised(text: String, expected: String) throws {
    let location = try RemoteLocation(parsing: text, workingDirectory: "/work")
    #expect(location.description == expected)
    #expect(try RemoteLocation(parsing: location.description, workingDirectory: "/other") == location)
  }

  @Test(arguments: ["", "dir:", "/a/b", "s3://bucket/prefix", "DIR:/a", "http://x"])
  func otherLocationsAreRefusedWithWhatIsKnown(text: String) {
    do {
      _ = try RemoteLocation(parsing: text, workingDirectory: "/")
      Issue.record("it was taken")
    } catch {
      #expect(error.code == .invalidArgument)
      #expect(error.description.contains("dir:PATH"))
    }
  }
}
