import AOFCore
import Testing

@testable import AOFControl

@Suite struct ControlQuotingTests {
  private func logBytes(_ command: [UInt8]) throws -> [UInt8] {
    let commands = try ControlParser.commands(command, scope: .store)
    guard case .seal(.log(let path)) = try #require(commands.first), commands.count == 1 else {
      Issue.record("not one seal of one log: \(commands)")
      return []
    }
    return path.bytes
  }

  @Test func everyByteThatANameMayHoldComesBack() throws {
    for byte in UInt8(1)...255 where byte != UInt8(ascii: "/") {
      for name in [[byte, UInt8(ascii: "7")], [UInt8(ascii: "a"), byte]] {
        let quoted = ControlQuoting.quoted(name)
        #expect(try logBytes(Array("seal ".utf8) + quoted + [UInt8(ascii: "\n")]) == name, "byte \(byte)")
      }
    }
  }

  @Test(arguments: [
    (#""a b""#, "a b"), (#""\x41\102\"""#, "AB\""), (#""\n\t\\""#, "\n\t\\"), (#""\1012""#, "A2"),
    (#""a=b""#, "a=b"),
    (#""\x4""#, "\u{4}"), (#""dir/\x20x""#, "dir/ x"),
  ])
  func escapesAreThoseOfC(_ quoted: String, _ name: String) throws {
    #expect(try logBytes(Array("seal \(quoted)".utf8)) == Array(name.utf8))
  }

  @Test(arguments: [
    #""open"#, #""a"b"#, #"a"b"#, #""\q""#, #""\x""#, #""\xg""#, #""\777""#, #""\"#, "\"a\u{1}\"", "a\u{7F}",
    "a\rb",
    #""\0""#, #""a\x00b""#,
  ])
  func quotesThatDoNotFitAreRefused(_ text: String) throws {
    let error = try #require(throws: AofError.self) { try logBytes(Array("seal \(text)".utf8)) }
    #expect(error.code == .invalidArgument)
  }

  @Test(arguments: [
    ("plain.log", "plain.log"), ("d/ü.log", "d/ü.log"), ("a b", #""a b""#),
    ("a\nlog: good", #""a\nlog: good""#),
    ("\u{202E}x", #""\342\200\256x""#), ("", #""""#), ("a\"", #""a\"""#),
  ])
  func readableNamesCannotForgeALine(_ name: String, _ shown: String) {
    #expect(ControlQuoting.readable(Array(name.utf8)) == shown)
  }

  @Test func readableShowsBytesThatAreNoText() {
    #expect(ControlQuoting.readable([0xFF, 0x61]) == #""\377a""#)
  }
}
