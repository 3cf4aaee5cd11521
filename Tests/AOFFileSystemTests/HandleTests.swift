import AOFCore
import Glibc
import Testing

@testable import AOFFileSystem

@Suite("Handles")
struct HandleTests {
  @Test("a number leads to its handle until it is removed, and never to another one")
  func numbers() throws {
    let table = HandleTable<String>()
    let first = table.insert("first")
    let second = table.insert("second")
    #expect(try table.handle(first) == "first")
    #expect(table.remove(first) == "first")
    #expect(table.remove(first) == nil)
    let third = table.insert("third")
    #expect(third != first)
    #expect(try table.handle(third) == "third")
    #expect(try table.handle(second) == "second")
    #expect(table.count == 2)
    let error = #expect(throws: AofError.self) { try table.handle(first) }
    #expect(error?.errno == EBADF)
  }

  @Test("numbers that were never given are refused")
  func strangers() {
    let table = HandleTable<Int>()
    for number in [UInt64.max, 0, 1 << 32, 77] {
      #expect(throws: AofError.self) { try table.handle(HandleID(rawValue: number)) }
    }
  }

  @Test("open flags are read as open(2) means them")
  func flags() {
    #expect(!OpenFlags(rawValue: O_RDONLY).canWrite)
    #expect(OpenFlags(rawValue: O_WRONLY | O_APPEND).canWrite)
    #expect(OpenFlags(rawValue: O_RDWR).canWrite)
    #expect(OpenFlags(rawValue: O_WRONLY | O_APPEND).appends)
    #expect(!OpenFlags(rawValue: O_WRONLY).appends)
    #expect(OpenFlags(rawValue: O_SYNC).syncsEachWrite)
    #expect(OpenFlags(rawValue: O_DSYNC).syncsEachWrite)
    #expect(!OpenFlags(rawValue: O_APPEND).syncsEachWrite)
    #expect(OpenFlags(rawValue: O_TRUNC).truncates)
    #expect(OpenFlags(rawValue: O_DIRECT).isDirect)
  }

  @Test("only RENAME_NOREPLACE is a rename that logs know")
  func renameFlags() {
    #expect(RenameFlags(rawValue: 0).isSupported)
    #expect(RenameFlags(rawValue: 1).isSupported)
    #expect(RenameFlags(rawValue: 1).keepsTarget)
    #expect(!RenameFlags(rawValue: 2).isSupported)
    #expect(!RenameFlags(rawValue: 4).isSupported)
  }

  @Test("the answer to a command is read from its beginning, then on, then anew")
  func commandAnswers() {
    let handle = CommandHandle(defaultLog: nil)
    func read(_ count: Int) -> String {
      var bytes = [UInt8](repeating: 0, count: count)
      let length = bytes.withUnsafeMutableBytes { handle.read(into: $0) }
      return String(decoding: bytes[..<length], as: UTF8.self)
    }
    func answer(_ text: String) {
      guard let number = handle.begin(Array(text.utf8), for: PatientWaiter(), { _ in }) else { return }
      handle.end(number, .success(1), text)
    }
    #expect(read(10) == "")
    answer("sealed 12 logs")
    #expect(read(6) == "sealed")
    #expect(read(100) == " 12 logs")
    #expect(read(100) == "")
    answer("again")
    #expect(read(100) == "again")
  }

  @Test("a message that is written again because a signal came is carried out once, and its outcome told once")
  func interruptedMessages() throws {
    let handle = CommandHandle(defaultLog: nil)
    let outcomes = Shared<[Int]>([])
    func begin(_ text: String, _ waiter: any Waiter = PatientWaiter()) -> UInt64? {
      handle.begin(Array(text.utf8), for: waiter) { result in
        do { outcomes.value += [try result.get()] } catch { outcomes.value += [-1] }
      }
    }
    func interrupted() -> TestWaiter {
      let waiter = TestWaiter()
      waiter.interrupt()
      return waiter
    }
    // Nobody was interrupted: two of the same are two.
    let numbers = [begin("seal\n"), begin("seal\n")].compactMap { $0 }
    #expect(numbers.count == 2)
    for number in numbers { handle.end(number, .success(5), "sealed") }
    #expect(outcomes.value == [5, 5])
    // Interrupted twice, and written again while it goes on.
    let waiter = TestWaiter()
    let first = try #require(begin("trim a 1\n", waiter))
    waiter.interrupt()
    #expect(begin("trim a 1\n", interrupted()) == nil && begin("trim a 1\n") == nil)
    #expect(outcomes.value == [5, 5])
    handle.end(first, .success(9), "trimmed")
    #expect(outcomes.value == [5, 5, 9])
    // Done before it is written again, and that is interrupted too before the outcome is there.
    let second = try #require(begin("trim a 1\n", interrupted()))
    handle.end(second, .failure(AofError(.busy, "busy")), "error")
    #expect(begin("trim a 1\n", interrupted()) == nil && outcomes.value.count == 3)
    #expect(begin("trim a 1\n") == nil && outcomes.value == [5, 5, 9, -1])
    let third = try #require(begin("trim a 1\n"), "the outcome is told once")
    handle.end(third, .success(9), "trimmed")
    // Another message ends what is known of the one before, and its answer is the one to be read.
    let old = try #require(begin("seal\n", interrupted()))
    let new = try #require(begin("help\n"))
    handle.end(new, .success(5), "help")
    handle.end(old, .success(5), "sealed")
    var bytes = [UInt8](repeating: 0, count: 9)
    #expect(bytes.withUnsafeMutableBytes { handle.read(into: $0) } == 4)
    #expect(begin("seal\n") != nil)
  }

  @Test("a directory is read from a snapshot, page by page, and anew from its start")
  func directoryStream() {
    let names = Shared(["a", "b", "c"])
    let stream = DirectoryStream(node: .root) {
      names.value.map { DirectoryEntry(name: Array($0.utf8), node: nil, kind: .regular) }
    }
    func read(from position: UInt64, _ count: Int) -> (names: [String], next: UInt64) {
      var found: [String] = []
      var last = position
      stream.forEach(from: position) { entry, next in
        guard found.count < count else { return false }
        found.append(String(decoding: entry.name, as: UTF8.self))
        last = next
        return true
      }
      return (found, last)
    }
    let first = read(from: 0, 2)
    #expect(first.names == ["a", "b"])
    names.value = ["b", "c", "d"]
    #expect(read(from: first.next, 9).names == ["c"])
    #expect(read(from: 3, 9).names == [])
    #expect(read(from: 99, 9).names == [])
    #expect(read(from: 0, 9).names == ["b", "c", "d"])
  }
}
