import AOFCore
import AOFSystem
import Glibc
import Testing

@Suite struct SystemDiskTests {
  let directory: TemporaryDirectory
  let disk = SystemDisk()

  init() throws { directory = try TemporaryDirectory() }

  private func link(_ name: String, to target: String) {
    #expect(symlink(target, directory.child(name)) == 0)
  }

  private func mode(_ name: String) -> mode_t {
    var status = stat()
    return stat(directory.child(name), &status) == 0 ? status.st_mode & 0o7777 : 0
  }

  @Test func openModes() throws {
    let path = directory.child("file")
    for mode in [OpenMode.read, .readWrite] {
      #expect(code { () throws(AofError) in _ = try disk.open(path, mode) } == .notFound)
    }
    try disk.open(path, .createNew).write([1], at: 0)
    #expect(mode("file") == 0o600)
    #expect(code { () throws(AofError) in _ = try disk.open(path, .createNew) } == .alreadyExists)
    #expect(try disk.open(path, .readWriteCreate).contents() == [1])
    #expect(try disk.open(path, .read).contents() == [1])
    #expect(fcntl(try disk.open(path, .read).descriptor, F_GETFD) & FD_CLOEXEC != 0)
  }

  @Test func linksAreNotFollowed() throws {
    _ = try disk.open(directory.child("file"), .createNew)
    link("link", to: directory.child("file"))
    link("dangling", to: directory.child("nothing"))
    for name in ["link", "dangling"] {
      for mode in [OpenMode.read, .readWrite, .readWriteCreate] {
        #expect(code { () throws(AofError) in _ = try disk.open(directory.child(name), mode) } == .system(errno: ELOOP))
      }
      #expect(code { () throws(AofError) in _ = try disk.open(directory.child(name), .createNew) } == .alreadyExists)
    }
    #expect(!disk.exists(directory.child("nothing")))
  }

  @Test func createsNestedDirectories() throws {
    try disk.createDirectory(directory.child("a/b/c"))
    try disk.createDirectory(directory.child("a/b/c"))
    try disk.createDirectory(directory.child("a/d//e/"))
    #expect(mode("a") == 0o700 && mode("a/b/c") == 0o700 && mode("a/d/e") == 0o700)
    try disk.createDirectory("/")
    try disk.createDirectory(".")
    link("to-a", to: directory.child("a"))
    try disk.createDirectory(directory.child("to-a/f"))
    #expect(mode("a/f") == 0o700)
  }

  @Test func whatIsInTheWayIsAnError() throws {
    _ = try disk.open(directory.child("file"), .createNew)
    link("dangling", to: directory.child("nothing"))
    #expect(create("file") == .notADirectory)
    #expect(create("file/below") == .system(errno: ENOTDIR))
    #expect(create("dangling") == .notFound)
    #expect(create("dangling/below") == .notFound)
    #expect(code { () throws(AofError) in try disk.createDirectory("") } == .notFound)
    #expect(!disk.exists(directory.child("nothing")))
  }

  private func create(_ name: String) -> AofError.Code? {
    code { () throws(AofError) in try disk.createDirectory(directory.child(name)) }
  }

  @Test func renamesListsAndRemoves() throws {
    for (name, byte) in [("b", 1), ("a", 2), (".hidden", 3), ("B", 4)] as [(String, UInt8)] {
      try disk.open(directory.child(name), .createNew).write([byte], at: 0)
    }
    #expect(try disk.list(directory.path) == [".hidden", "B", "a", "b"])
    try disk.rename(directory.child("a"), to: directory.child("b"))
    #expect(try disk.open(directory.child("b"), .read).contents() == [2])
    try disk.remove(directory.child(".hidden"))
    try disk.syncDirectory(directory.path)
    #expect(try disk.list(directory.path) == ["B", "b"])
    #expect(code { () throws(AofError) in try disk.rename(directory.child("a"), to: directory.child("c")) } == .notFound)
    #expect(code { () throws(AofError) in try disk.remove(directory.child("a")) } == .notFound)
    #expect(code { () throws(AofError) in _ = try disk.list(directory.child("a")) } == .notFound)
    #expect(code { () throws(AofError) in try disk.syncDirectory(directory.child("a")) } == .notFound)
    #expect(disk.exists(directory.child("b")) && !disk.exists(directory.child("a")))
  }

  @Test(arguments: [
    ("/a/b", "/a"), ("/a", "/"), ("a", "."), ("a/b", "a"), ("", "."), ("/", "/"), ("/a/\u{301}b", "/a"), ("ä/b", "ä"),
  ] as [(String, String)])
  func parents(_ path: String, _ parent: String) {
    #expect(SystemDisk.parent(of: path) == parent)
  }

  @Test func absolutePaths() throws {
    try disk.createDirectory(directory.child("real/below"))
    link("link", to: directory.child("real"))
    let real = try PathFacts.absolute(directory.child("real"))
    #expect(real.hasSuffix("/real"))
    #expect(try PathFacts.absolute(directory.child("link/../real/./below//")) == real + "/below")
    #expect(try PathFacts.absolute(directory.child("link/new")) == real + "/new")
    #expect(try PathFacts.absolute(directory.child("link/new///")) == real + "/new")
    #expect(try PathFacts.absolute(directory.child("link/\u{301}new")) == real + "/\u{301}new")
    #expect(try PathFacts.absolute("/") == "/")
    #expect(try PathFacts.absolute("/no-such-name-here") == "/no-such-name-here")
    #expect(try PathFacts.absolute("no-such-name-here") == PathFacts.absolute(".") + "/no-such-name-here")
    for path in ["", directory.child("none/new"), directory.child("none/..")] {
      #expect(code { () throws(AofError) in _ = try PathFacts.absolute(path) } == .notFound, "'\(path)'")
    }
  }
}
