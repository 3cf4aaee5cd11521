import AOFCore
import Foundation

/// JSON of the remote: keys sorted, so that equal values are equal bytes.
enum RemoteJSON {
  private struct Probe: Decodable { let version: Int }

  static func encode(_ value: some Encodable, what: String) throws(AofError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return Array(try encoder.encode(value))
    } catch {
      throw AofError(.invalidArgument, "\(what) cannot be written as JSON", cause: error)
    }
  }

  /// Looks at the version before anything else, since a later version may mean something else by every key.
  ///
  /// - Throws: `corrupt`; `newerVersion`.
  static func decode<Value: Decodable>(_ bytes: [UInt8], as type: Value.Type, what: String) throws(AofError)
    -> Value
  {
    let data = Data(bytes)
    let decoder = JSONDecoder()
    do {
      let version = try decoder.decode(Probe.self, from: data).version
      guard version >= 1 else { throw AofError(.corrupt, "its version is \(version)") }
      guard version <= RemoteFormat.layoutVersion else {
        throw AofError(
          .newerVersion,
          "\(what) has version \(version), this aofs knows up to \(RemoteFormat.layoutVersion)",
          remedy: "use the version of aofs that wrote it")
      }
      return try decoder.decode(Value.self, from: data)
    } catch let error as AofError where error.code == .newerVersion {
      throw error
    } catch {
      throw AofError(.corrupt, "\(what) is damaged", cause: error)
    }
  }
}

/// A path as JSON holds it: names are arbitrary bytes, JSON is text.
package enum PercentEscaping {
  package static func escape(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count)
    for byte in bytes {
      if isPlain(byte) {
        text.append(byte)
      } else {
        text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The bytes that ``escape(_:)`` made `text` of, or nil if it made it of none.
  package static func unescape(_ text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let first = rest.popFirst() {
      if first == UInt8(ascii: "%") {
        guard let high = rest.popFirst().flatMap(value), let low = rest.popFirst().flatMap(value),
          !isPlain(high << 4 | low)
        else { return nil }
        bytes.append(high << 4 | low)
      } else {
        guard isPlain(first) else { return nil }
        bytes.append(first)
      }
    }
    return bytes
  }

  private static let digits = Array("0123456789ABCDEF".utf8)

  private static func value(_ digit: UInt8) -> UInt8? {
    digits.firstIndex(of: digit).map(UInt8.init(truncatingIfNeeded:))
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"),
      UInt8(ascii: "-"), UInt8(ascii: "/"):
      true
    default: false
    }
  }
}
