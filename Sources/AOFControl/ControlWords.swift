import AOFCore

/// One word of a command line.
struct ControlWord: Equatable {
  let bytes: [UInt8]
  /// A quoted word is never taken for `key=value`.
  let isQuoted: Bool
}

/// Cuts one line, without its newline, into words.
struct ControlWordReader {
  private var rest: ArraySlice<UInt8>

  init(line: ArraySlice<UInt8>) { rest = line }

  /// - Throws: `invalidArgument` for control characters, unmatched quotes and unknown escapes.
  static func words(of line: ArraySlice<UInt8>) throws(AofError) -> [ControlWord] {
    var reader = ControlWordReader(line: line)
    var words: [ControlWord] = []
    while let word = try reader.next() { words.append(word) }
    return words
  }

  private mutating func next() throws(AofError) -> ControlWord? {
    rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    guard let first = rest.first else { return nil }
    return first == UInt8(ascii: "\"") ? try quotedWord() : try plainWord()
  }

  private mutating func plainWord() throws(AofError) -> ControlWord {
    let word = rest.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
    rest = rest.dropFirst(word.count)
    for byte in word {
      guard byte >= 0x20, byte != 0x7F else {
        throw AofError(
          .invalidArgument, "the command holds the control character 0x\(hexadecimal(byte))",
          remedy: "write text; a LOG with such bytes in its name goes in double quotes with C escapes")
      }
      guard byte != UInt8(ascii: "\"") else {
        throw AofError(
          .invalidArgument, "a double quote in the middle of a word",
          remedy: "put the whole LOG in double quotes, and write \\\" for a quote in its name")
      }
    }
    return ControlWord(bytes: Array(word), isQuoted: false)
  }

  private mutating func quotedWord() throws(AofError) -> ControlWord {
    rest = rest.dropFirst()
    var bytes: [UInt8] = []
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""):
        guard rest.first.map({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }) ?? true else {
          throw AofError(
            .invalidArgument, "a closing quote with no blank after it", remedy: "separate words with a blank")
        }
        return ControlWord(bytes: bytes, isQuoted: true)
      case UInt8(ascii: "\\"): bytes.append(try escape())
      case 0..<0x20, 0x7F:
        throw AofError(
          .invalidArgument, "a quoted LOG holds the control character 0x\(hexadecimal(byte))",
          remedy: "write it as a C escape, \\\(String(byte, radix: 8))")
      default: bytes.append(byte)
      }
    }
    throw AofError(
      .invalidArgument, "a double quote is not closed", remedy: "end the LOG with a double quote")
  }

  /// The byte that the escape after a backslash stands for.
  private mutating func escape() throws(AofError) -> UInt8 {
    guard let letter = rest.first else {
      throw AofError(
        .invalidArgument, "the line ends after a backslash", remedy: "write \\\\ for a backslash")
    }
    if (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(letter) { return try number(digits: 3, radix: 8) }
    rest = rest.dropFirst()
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "?"): return letter
    case UInt8(ascii: "a"): return 0x07
    case UInt8(ascii: "b"): return 0x08
    case UInt8(ascii: "t"): return 0x09
    case UInt8(ascii: "n"): return 0x0A
    case UInt8(ascii: "v"): return 0x0B
    case UInt8(ascii: "f"): return 0x0C
    case UInt8(ascii: "r"): return 0x0D
    case UInt8(ascii: "x"): return try number(digits: 2, radix: 16)
    default:
      throw AofError(
        .invalidArgument, "\\\(String(decoding: [letter], as: UTF8.self)) is not an escape",
        remedy: "use \\n, \\t, \\\", \\\\, \\xHH or an octal number of up to three digits")
    }
  }

  private mutating func number(digits: Int, radix: Int) throws(AofError) -> UInt8 {
    var value = 0
    var count = 0
    while count < digits, let byte = rest.first,
      let digit = Character(UnicodeScalar(byte)).hexDigitValue, digit < radix
    {
      value = value * radix + digit
      count += 1
      rest = rest.dropFirst()
    }
    guard count > 0, let byte = UInt8(exactly: value) else {
      throw AofError(
        .invalidArgument, "an escape that is no byte", remedy: "use \\x00 to \\xFF or \\000 to \\377")
    }
    return byte
  }
}

private func hexadecimal(_ byte: UInt8) -> String {
  let digits = String(byte, radix: 16, uppercase: true)
  return digits.count == 1 ? "0" + digits : digits
}
