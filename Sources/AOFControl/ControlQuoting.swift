/// Double quotes with C escapes, so that any bytes can be written as one word on one line.
package enum ControlQuoting {
  /// The bytes between double quotes. What is printable ASCII or above 0x7F stays as it is.
  package static func quoted(_ bytes: [UInt8]) -> [UInt8] {
    var text: [UInt8] = [UInt8(ascii: "\"")]
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\n"): text += Array("\\n".utf8)
      case UInt8(ascii: "\t"): text += Array("\\t".utf8)
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
      case 0..<0x20, 0x7F: text += Array("\\".utf8) + octal(byte)
      default: text.append(byte)
      }
    }
    text.append(UInt8(ascii: "\""))
    return text
  }

  /// A name for people: as it is if it is plain text, else quoted with everything unprintable escaped.
  /// Never holds a line break, so a hostile name cannot forge a line of a report.
  package static func readable(_ bytes: [UInt8]) -> String {
    let text = String(decoding: bytes, as: UTF8.self)
    let isText = Array(text.utf8) == bytes
    let isPlain = text.unicodeScalars.allSatisfy {
      $0.value > 0x20 && $0 != "\"" && $0 != "\\" && !$0.properties.isWhitespace
        && $0.properties.generalCategory != .control && $0.properties.generalCategory != .format
    }
    if isText, isPlain, !bytes.isEmpty { return text }
    var escaped: [UInt8] = []
    for byte in bytes {
      if byte < 0x80 {
        escaped += quoted([byte]).dropFirst().dropLast()
      } else {
        escaped += Array("\\".utf8) + octal(byte)
      }
    }
    return "\"" + String(decoding: escaped, as: UTF8.self) + "\""
  }

  /// A message for people, as it is but for what would break its line or hide in it, which is escaped.
  package static func line(_ message: String) -> String {
    var text = ""
    for scalar in message.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator:
        text += String(decoding: Array(scalar.utf8).flatMap { Array("\\".utf8) + octal($0) }, as: UTF8.self)
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }

  /// Always three digits, so that a digit that follows is not taken for part of the escape.
  private static func octal(_ byte: UInt8) -> [UInt8] {
    [6, 3, 0].map { UInt8(ascii: "0") + (byte >> $0) & 7 }
  }
}
