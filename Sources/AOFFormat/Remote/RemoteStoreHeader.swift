import AOFCore

/// `aofs.json`: what makes a bucket or directory the remote of one store.
package struct RemoteStoreHeader: Hashable, Sendable {
  /// The key below the remote's prefix.
  package static let key = "aofs.json"
  /// A header is never larger, in bytes.
  package static let maximumSize = 4 << 10

  package let storeID: String

  /// - Throws: `invalidArgument` for an impossible id.
  package init(storeID: String) throws(AofError) {
    guard Self.isPossible(storeID: storeID) else {
      throw AofError(.invalidArgument, "'\(storeID)' is not possible as a store id")
    }
    self.storeID = storeID
  }

  package func encode() throws(AofError) -> [UInt8] {
    try RemoteJSON.encode(
      Fields(format: Self.format, version: RemoteFormat.layoutVersion, store_id: storeID), what: Self.key)
  }

  /// - Throws: `notAStore` if the JSON is of something else; `newerVersion`; `corrupt`.
  package init(decoding bytes: [UInt8]) throws(AofError) {
    let fields = try RemoteJSON.decode(bytes, as: Fields.self, what: Self.key)
    guard fields.format == Self.format else {
      throw AofError(.notAStore, "\(Self.key) is not of aofs: its format is '\(fields.format)'")
    }
    guard Self.isPossible(storeID: fields.store_id) else {
      throw AofError(.corrupt, "\(Self.key) is damaged: its store id is '\(fields.store_id)'")
    }
    storeID = fields.store_id
  }

  private static let format = "aofs"

  private struct Fields: Codable {
    let format: String
    let version: Int
    let store_id: String
  }

  /// 1 to 64 ASCII letters, digits and dashes.
  static func isPossible(storeID: String) -> Bool {
    (1...64).contains(storeID.utf8.count)
      && storeID.unicodeScalars.allSatisfy {
        $0 == "-" || ("0"..."9").contains($0) || ("a"..."z").contains($0) || ("A"..."Z").contains($0)
      }
  }
}
