/// Swift text with comments and string literals blanked out, so that a rule about code does not trip
/// over prose. Line breaks stay, so line numbers do too.
///
/// What is interpolated into a string is blanked with it.
func codeOnly(_ text: String) -> String {
  var lexer = CodeLexer(Array(text.utf8))
  return String(decoding: lexer.strip(), as: UTF8.self)
}

private struct CodeLexer {
  private static let newline = UInt8(ascii: "\n")
  private let input: [UInt8]
  private var position = 0
  private var output: [UInt8] = []

  init(_ input: [UInt8]) { self.input = input }

  mutating func strip() -> [UInt8] {
    while position < input.count {
      if matches("//") {
        skipLineComment()
      } else if matches("/*") {
        skipBlockComment()
      } else if let hashes = hashesBeforeQuote() {
        skipString(hashes: hashes)
      } else {
        output.append(input[position])
        position += 1
      }
    }
    return output
  }

  private func matches(_ text: String, at offset: Int? = nil) -> Bool {
    let start = offset ?? position
    let bytes = text.utf8
    guard let first = bytes.first, start < input.count, input[start] == first else { return false }
    return start + bytes.count <= input.count && input[start..<start + bytes.count].elementsEqual(bytes)
  }

  /// The number of `#` before the quote that opens a string here; nil if none does.
  private func hashesBeforeQuote() -> Int? {
    var end = position
    while end < input.count, input[end] == UInt8(ascii: "#") { end += 1 }
    return end < input.count && input[end] == UInt8(ascii: "\"") ? end - position : nil
  }

  private mutating func blank(_ count: Int) {
    for _ in 0..<count where position < input.count {
      output.append(input[position] == Self.newline ? Self.newline : UInt8(ascii: " "))
      position += 1
    }
  }

  private mutating func skipLineComment() {
    while position < input.count, input[position] != Self.newline { blank(1) }
  }

  private mutating func skipBlockComment() {
    var depth = 0
    repeat {
      if matches("/*") {
        depth += 1
        blank(2)
      } else if matches("*/") {
        depth -= 1
        blank(2)
      } else {
        blank(1)
      }
    } while depth > 0 && position < input.count
  }

  private mutating func skipString(hashes: Int) {
    let guardHashes = String(repeating: "#", count: hashes)
    let quote = matches("\"\"\"", at: position + hashes) ? "\"\"\"" : "\""
    let isMultiline = quote.count == 3
    blank(hashes + quote.count)
    while position < input.count {
      if matches(quote + guardHashes) { return blank(quote.count + hashes) }
      if !isMultiline && input[position] == Self.newline { return }
      blank(matches("\\" + guardHashes) ? hashes + 2 : 1)
    }
  }
}
