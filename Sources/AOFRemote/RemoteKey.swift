import AOFCore

/// The name of an object in a remote, below the prefix that the remote was given.
///
/// 1 to 1,024 bytes of `A-Z a-z 0-9 . _ -` in parts joined by `/`; no part is empty, longer than 255 bytes
/// or begins with a dot. So no key leaves its directory, and every store, S3 too, takes it without escapes.
public struct RemoteKey: Hashable, Sendable {
  public static let maximumLength = 1024

  public let text: String

  /// - Throws: `invalidArgument`.
  public init(_ text: String) throws(AofError) {
    guard Self.isPossible(text) else {
      throw AofError(
        .invalidArgument, "'\(text)' is not possible as the name of an object",
        remedy: "use letters, digits, '.', '_' and '-' in parts joined by '/' that do not begin with '.'")
    }
    self.text = text
  }

  private static func isPossible(_ text: String) -> Bool {
    guard (1...maximumLength).contains(text.utf8.count) else { return false }
    return text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy {
      part in
      (1...Limits.nameLength).contains(part.count) && part.first != UInt8(ascii: ".")
        && part.allSatisfy(isPlain)
    }
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  /// The parts between the slashes; never empty.
  var parts: [String] { text.split(separator: "/").map(String.init) }
}

extension RemoteKey: Comparable {
  /// The order of the bytes, which is the order of listings.
  public static func < (lhs: RemoteKey, rhs: RemoteKey) -> Bool {
    lhs.text.utf8.lexicographicallyPrecedes(rhs.text.utf8)
  }
}

extension RemoteKey: CustomStringConvertible {
  public var description: String { text }
}
