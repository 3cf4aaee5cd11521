import AOFRemote

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
      objects.append((isEncoded ? text.removingPercents ?? text : text, size))
    }
    if document["IsTruncated"] == "true" {
      guard let next = document["NextContinuationToken"] else { return nil }
      continuation = next
    }
  }
}
