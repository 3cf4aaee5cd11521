import AOFCore
import AOFSystem
import Glibc
import Testing

@Suite struct DirectoryHandleTests {
  let directory: TemporaryDirectory
  let handle: DirectoryHandle

  init() throws {
    directory = try TemporaryDirectory()
    handle = try DirectoryHandle(directory.path)
  }

  @Test func opensWhatIsThere() throws {
    #expect(try handle.makeDirectory("sub"))
    #expect(try !handle.makeDirectory("sub"))
    let sub = try handle.openDirectory("sub")
    try sub.createFile("file").write([1, 2], at: 0)
    #expect(try sub.openFile("file").contents() == [1, 2])
    #expect(try sub.regularSize(of: "file") == 2)
    #expect(try handle.regularSize(of: "sub") == nil)
    try sub.sync()
    #expect(code { () throws(AofError) in _ = try sub.createFile("file") } == .alreadyExists)
    #expect(code { () throws(AofError) in _ = try sub.openFile("none") } == .notFound)
    #expect(code { () throws(AofError) in _ = try sub.openDirectory("file") } == .system(errno: ENOTDIR))
    #expect(code { () throws(AofError) in _ = try DirectoryHandle(directory.child("none")) } == .notFound)
  }

  @Test func linksAndPipesDoNoHarm() throws {
    #expect(symlink("/etc", directory.child("link")) == 0)
    #expect(symlink("/etc/passwd", directory.child("file-link")) == 0)
    #expect(mkfifo(directory.child("pipe"), 0o600) == 0)
    #expect(code { () throws(AofError) in _ = try handle.openDirectory("link") } == .system(errno: ENOTDIR))
    #expect(code { () throws(AofError) in _ = try handle.openFile("file-link") } == .system(errno: ELOOP))
    #expect(try handle.regularSize(of: "file-link") == nil)
    #expect(try handle.openFile("pipe").regularSize() == nil)
    #expect(try handle.entries().isEmpty, "neither links nor pipes are entries")
  }

  @Test func renamesWithAndWithoutReplacing() throws {
    try handle.createFile("a").write([1], at: 0)
    try handle.createFile("b").write([2], at: 0)
    #expect(try !handle.rename("a", to: "b", of: handle, replacing: false))
    #expect(try handle.openFile("b").contents() == [2])
    #expect(try handle.rename("a", to: "b", of: handle, replacing: true))
    #expect(try handle.openFile("b").contents() == [1])
    #expect(try handle.rename("b", to: "c", of: handle, replacing: false))
    #expect(try handle.unlink("c"))
    #expect(try !handle.unlink("c"))
  }

  @Test func listsEachTimeFromTheStart() throws {
    _ = try handle.makeDirectory("sub")
    _ = try handle.createFile("file")
    for _ in 0..<2 {
      let entries = try handle.entries().sorted { $0.name < $1.name }
      #expect(entries.map(\.name) == ["file", "sub"])
      #expect(entries.map(\.isDirectory) == [false, true])
    }
  }

  @Test func followsTheDirectoryAndNotItsPath() throws {
    _ = try handle.makeDirectory("old")
    let moved = try handle.openDirectory("old")
    #expect(try handle.rename("old", to: "new", of: handle, replacing: true))
    _ = try moved.createFile("file")
    #expect(SystemDisk().exists(directory.child("new/file")))
  }
}
