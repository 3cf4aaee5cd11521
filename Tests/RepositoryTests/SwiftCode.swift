/// Swift text with comments and string literals blanked out, so that a rule about code does not trip
/// over prose. Line breaks stay, so line numbers do too.
///
/// What is interpolated into a string is blanked with it.
func codeOnly(_ text: String) -> String {
  var lexer = CodeLexer(Array(text))
  return lexer.strip()
}

private struct CodeLexer {
  private let input: [Character]
  private var position = 0
  private var output = ""

  init(_ input: [Character]) { self.input = input }

  mutating func strip() -> String {
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
    let characters = Array(text)
    return start + characters.count <= input.count
      && input[start..<start + characters.count].elementsEqual(characters)
  }

  /// The number of `#` before the quote that opens a string here; nil if none does.
  private func hashesBeforeQuote() -> Int? {
    var end = position
    while end < input.count, input[end] == "#" { end += 1 }
    return end < input.count && input[end] == "\"" ? end - position : nil
  }

  private mutating func blank(_ count: Int) {
    for _ in 0..<count where position < input.count {
      output.append(input[position].isNewline ? "\n" : " ")
      position += 1
    }
  }

  private mutating func skipLineComment() {
    while position < input.count, !input[position].isNewline { blank(1) }
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
      if !isMultiline && input[position].isNewline { return }
      blank(matches("\\" + guardHashes) ? hashes + 2 : 1)
    }
  }
}
