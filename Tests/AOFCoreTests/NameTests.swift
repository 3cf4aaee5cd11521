import AOFCore
import Testing

@Suite struct NameTests {
  @Test func anyBytesButTwo() throws {
    for byte in UInt8.min ... .max {
      let expected: AofError.Code? = byte == 0 || byte == UInt8(ascii: "/") || byte == UInt8(ascii: ".") ? .invalidArgument : nil
      #expect(code { () throws(AofError) in _ = try EntryName([byte]) } == expected, "byte \(byte)")
    }
    let wild: [UInt8] = [0xFF, 0xFE, 10, 32, 0x80]
    #expect(try EntryName(wild).bytes == wild)
    #expect(try EntryName("...").bytes.count == 3)
  }

  @Test(arguments: ["", ".", "..", "a/b", "/", "a\u{0}"])
  func impossibleNames(_ text: String) {
    #expect(code { () throws(AofError) in _ = try EntryName(text) } == .invalidArgument)
  }

  @Test func lengths() {
    let longest = [UInt8](repeating: 97, count: Limits.nameLength)
    #expect(code { () throws(AofError) in _ = try EntryName(longest) } == nil)
    #expect(code { () throws(AofError) in _ = try EntryName(longest + [97]) } == .nameTooLong)
    // Bytes count, not characters.
    #expect(code { () throws(AofError) in _ = try EntryName(String(repeating: "ä", count: 128)) } == .nameTooLong)
    let path = [UInt8]("/".utf8) + Array(repeating: Array("ab/".utf8), count: 1365).joined()
    #expect(path.count == Limits.pathLength + 1)
    #expect(code { () throws(AofError) in _ = try LogPath(path) } == .nameTooLong)
    #expect(code { () throws(AofError) in _ = try LogPath(path.dropLast()) } == nil)
    #expect(code { () throws(AofError) in _ = try LogPath(Array("a/".utf8) + longest + [98]) } == .nameTooLong)
  }

  @Test func paths() throws {
    #expect(try LogPath("").names.isEmpty)
    #expect(try LogPath("///").names.isEmpty)
    #expect(try LogPath("//web///access.log/").description == "web/access.log")
    #expect(try LogPath("web/access.log").names == [EntryName("web"), EntryName("access.log")])
    #expect(try LogPath(LogPath("a/b").bytes) == LogPath("/a/b"))
    #expect(code { () throws(AofError) in _ = try LogPath("a/../b") } == .invalidArgument)
    #expect(code { () throws(AofError) in _ = try LogPath("./b") } == .invalidArgument)
    #expect(code { () throws(AofError) in _ = try LogPath("a\u{0}b") } == .invalidArgument)
  }

  @Test func order() throws {
    // By bytes: no locale, no normalization.
    #expect(try EntryName("Z") < EntryName("a"))
    #expect(try EntryName("z") < EntryName("ä"))
    #expect(try EntryName("e\u{301}") != EntryName("\u{E9}"))
    #expect(try LogPath("a") < LogPath("a/b"))
    #expect(try LogPath("a/b") < LogPath("a-b"))
  }
}
