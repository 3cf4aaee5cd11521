import AOFCore
import AOFRemoteConformance
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

  @Test(arguments: RemoteConformance.all) func conforms(_ conformance: RemoteConformance) throws {
    try conformance.run(store)
    #expect(try leftovers().isEmpty)
  }

  // MARK: Objects

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

  // MARK: Listings

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
    ("s3://bucket", "s3://bucket"), ("s3://bucket//a//b/", "s3://bucket/a/b"),
    ("s3://b.c-d/p?region=eu-1&endpoint=http://h:1/", "s3://b.c-d/p?endpoint=http://h:1&region=eu-1"),
    ("s3://bucket?sse=aws:kms:a%26b&ca_bundle=/c%20d&storage_class=COLD&addressing=path",
     "s3://bucket?addressing=path&storage_class=COLD&sse=aws:kms:a%26b&ca_bundle=/c%20d"),
  ]) func locationsAreNormalised(text: String, expected: String) throws {
    let location = try RemoteLocation(parsing: text, workingDirectory: "/work")
    #expect(location.description == expected)
    #expect(try RemoteLocation(parsing: location.description, workingDirectory: "/other") == location)
  }

  @Test(arguments: ["", "dir:", "/a/b", "s3:bucket", "DIR:/a", "http://x"])
  func otherLocationsAreRefusedWithWhatIsKnown(text: String) {
    do {
      _ = try RemoteLocation(parsing: text, workingDirectory: "/")
      Issue.record("it was taken")
    } catch {
      #expect(error.code == .invalidArgument)
      #expect(error.description.contains("dir:PATH"))
    }
  }

  @Test(arguments: [
    "s3://", "s3:///prefix", "s3://ab", "s3://Bucket", "s3://a_b_c", "s3://buck..et", "s3://-bucket", "s3://bucket/a b",
    "s3://bucket/.a", "s3://bucket/../a", "s3://key:secret@bucket/a", "s3://bucket?secret=x", "s3://bucket?region=",
    "s3://bucket?region=a%2", "s3://bucket?region=a/b", "s3://bucket?endpoint=ftp://h", "s3://bucket?endpoint=http://",
    "s3://bucket?endpoint=http://key:secret@h", "s3://bucket?endpoint=http://h/path", "s3://bucket?addressing=both",
    "s3://bucket?sse=AES128", "s3://bucket?sse=aws:kms:", "s3://bucket?sse=aws:kms:a%0Ab", "s3://bucket?ca_bundle=here",
    "s3://bucket/" + String(repeating: "x/", count: 256) + "x",
  ]) func impossibleBucketsAreRefused(text: String) throws {
    let error = try #require(throws: AofError.self) { try RemoteLocation(parsing: text, workingDirectory: "/") }
    #expect(error.code == .invalidArgument)
  }

  @Test func settingsAreNoPartOfThePlace() throws {
    let old = try RemoteLocation(parsing: "s3://bucket/a?endpoint=http://old&region=r", workingDirectory: "/")
    let new = try RemoteLocation(parsing: "s3://bucket/a/?endpoint=http://new&sse=AES256", workingDirectory: "/")
    #expect(old != new && old.place == new.place)
    #expect(old.overridden(by: new).description == "s3://bucket/a?endpoint=http://new&region=r&sse=AES256")
    let elsewhere = try RemoteLocation(parsing: "s3://bucket/b", workingDirectory: "/")
    #expect(old.place != elsewhere.place)
  }
}
