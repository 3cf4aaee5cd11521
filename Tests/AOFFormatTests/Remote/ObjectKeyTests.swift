import AOFCore
import Testing

@testable import AOFFormat

@Suite struct ObjectKeyTests {
  private let key = ObjectKey(
    log: LogID(rawValue: 42), chunk: ChunkID(rawValue: 0x1F), range: 131_072..<262_144,
    generation: Generation(rawValue: 2), epoch: 7, random: 0xABC)
  private let text =
    "chunks/42/000000000000001f/00000000000000131072-00000000000000262144-2-7-0000000000000abc.zst"

  @Test func namesAreTheDocumentedOnes() throws {
    #expect(key.text == text)
    #expect(try ObjectKey(parsing: text) == key)
  }

  @Test func extremesRoundTrip() throws {
    let key = ObjectKey(
      log: LogID(rawValue: .max), chunk: ChunkID(rawValue: .max - 1),
      range: LSN(rawValue: LSN.max.rawValue - 1)..<LSN.max, generation: Generation(rawValue: .max),
      epoch: .max,
      random: .max)
    #expect(try ObjectKey(parsing: key.text) == key)
  }

  @Test func everyTruncationAndChangedCharacterIsRefusedOrAnotherKey() {
    for count in 0..<text.utf8.count {
      #expect(throws: AofError.self) { try ObjectKey(parsing: String(text.prefix(count))) }
    }
    for index in text.indices {
      for replacement in ["/", "-", "+", "0", "A", "g", " ", "é", ""] {
        let other = text.replacingCharacters(in: index, by: replacement)
        if other != text, let parsed = try? ObjectKey(parsing: other) { #expect(parsed != key) }
      }
    }
  }

  @Test(arguments: [
    "", "/", "chunks", "../42/000000000000001f/x.zst",
    "chunks/042/000000000000001f/00000000000000131072-00000000000000262144-2-7-0000000000000abc.zst",
    "chunks/42/1f/00000000000000131072-00000000000000262144-2-7-0000000000000abc.zst",
    "chunks/42/000000000000001F/00000000000000131072-00000000000000262144-2-7-0000000000000abc.zst",
    "chunks/42/ffffffffffffffff/00000000000000131072-00000000000000262144-2-7-0000000000000abc.zst",
    "chunks/42/000000000000001f/00000000000000262144-00000000000000131072-2-7-0000000000000abc.zst",
    "chunks/42/000000000000001f/00000000000000131072-00000000000000131072-2-7-0000000000000abc.zst",
    "chunks/42/000000000000001f/00000000000000131072-09223372036854775808-2-7-0000000000000abc.zst",
    "chunks/42/000000000000001f/00000000000000131072-00000000000000262144-4294967296-7-0000000000000abc.zst",
    "chunks/42/000000000000001f/00000000000000131072-00000000000000262144-2-7-0000000000000abc.zst/",
    "chunks/42/000000000000001f/00000000000000131072-00000000000000262144-2-7-0000000000000abc",
  ]) func othersAreRefused(text: String) {
    #expect(throws: AofError.self) { try ObjectKey(parsing: text) }
  }

  @Test func namesSortByFirstLSN() {
    let starts: [UInt64] = [0, 9, 10, 131_072, 999_999_999_999, 1 << 62]
    let names = starts.map {
      ObjectKey(
        log: LogID(rawValue: 2), chunk: ChunkID(rawValue: 0),
        range: LSN(rawValue: $0)..<LSN(rawValue: $0 + 1),
        generation: .first, epoch: 1, random: .random(in: .min ... .max)
      ).text
    }
    #expect(names == names.sorted())
  }
}

extension String {
  fileprivate func replacingCharacters(in index: Index, by text: String) -> String {
    var copy = self
    copy.replaceSubrange(index...index, with: text)
    return copy
  }
}
