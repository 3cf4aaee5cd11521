/// One page of a bucket's objects, as ListObjectsV2 answers it.
package struct S3Listing: Sendable {
  package var objects: [(key: String, size: UInt64)] = []
  /// What the next page is asked for with; nil for the last one.
  package var continuation: String?

  /// Nil for what is no listing, or not a whole one.
  package init?(_ document: S3Document) {
    guard document.name == "ListBucketResult" else { return nil }
    let isEncoded = document["EncodingType"] == "url"
    for entry in document.all("Contents") {
      guard let text = entry["Key"], let size = entry["Size"].flatMap({ UInt64($0) }) else { return nil }
      objects.append((isEncoded ? text.percentDecoded : text, size))
    }
    if document["IsTruncated"] == "true" {
      guard let next = document["NextContinuationToken"] else { return nil }
      continuation = next
    }
  }
}

extension String {
  /// The text that a listing of `encoding-type=url` encodes; what it cannot have encoded stays as it is. Foundation's
  /// `removingPercentEncoding` loses a byte order mark.
  package var percentDecoded: String {
    var decoded: [UInt8] = []
    var rest = utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        decoded.append(byte)
        continue
      }
      let digits = rest.prefix(2)
      guard digits.count == 2, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
        let value = UInt8(Substring(digits), radix: 16)
      else { return self }
      decoded.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: decoded, as: UTF8.self) ?? self
  }
}
