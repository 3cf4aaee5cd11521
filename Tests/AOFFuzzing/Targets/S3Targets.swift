import AOFCore
import AOFRemote
import AOFRemoteS3

/// `--remote`, as people write it and the manifest keeps it.
enum RemoteLocationTarget {
  static func run(_ input: [UInt8]) throws(Finding) {
    let text = String(decoding: input, as: UTF8.self)
    let location = try decoded(codes: [.invalidArgument]) { () throws(AofError) in try read(text) }
    guard let location else { return }
    let again = try accepted("a location that was written") { () throws(AofError) in try read(location.description) }
    try promise(again == location, "a location that was written is read otherwise")
    let place = try accepted("a place") { () throws(AofError) in try read(location.place) }
    try promise(place.place == location.place, "a location is at another place without its settings")
    try promise(place.overridden(by: location) == location, "the settings of a location are not all of them")
  }

  private static func read(_ text: String) throws(AofError) -> RemoteLocation {
    try RemoteLocation(parsing: text, workingDirectory: "/w")
  }

  static var seeds: [[UInt8]] {
    [
      "dir:/var/lib/../r", "dir:r//./s/", "dir:", "s3://bucket", "s3://a.b-c/pre/fix?region=eu-west-1",
      "s3://bucket/p?endpoint=http://127.0.0.1:9000&addressing=path&storage_class=STANDARD_IA", "s3://bucket?sse=AES256",
      "s3://b/p?x=%4", "s3://bucket?region=%C3%A9%", "gs://bucket", ":",
    ].map { Array($0.utf8) }
  }
}

/// What a server answers to a request for a listing.
enum S3ListingTarget {
  static func run(_ input: [UInt8]) throws(Finding) {
    if let document = S3Document(parsing: input) { try check(document) }
    var source = ByteSource(input)
    try roundTrip(&source)
  }

  private static func check(_ document: S3Document) throws(Finding) {
    try promise(depth(of: document) <= S3Document.deepest, "a document is nested deeper than it may be")
    guard let listing = S3Listing(document) else { return }
    try promise(
      listing.objects.count == document.all("Contents").reduce(0) { count, _ in count + 1 }, "a listing without some of its objects")
    try promise((listing.continuation != nil) == (document["IsTruncated"] == "true"), "a listing that ends elsewhere")
  }

  private static func depth(of document: S3Document) -> Int {
    1 + (document.children.map(depth).max() ?? 0)
  }

  /// A listing as servers write it, with keys of any text.
  private static func roundTrip(_ source: inout ByteSource) throws(Finding) {
    var (entries, objects) = ("", [(key: String, size: UInt64)]())
    for _ in 0..<source.number(in: 0...4) {
      let count = source.number(in: 0...20)
      let key = String(decoding: source.bytes(count), as: UTF8.self)
      let size: UInt64 = source.number()
      objects.append((key, size))
      entries += "<Contents><Key>\(escaped(key))</Key><ETag>&quot;0&quot;</ETag><Size>\(size)</Size></Contents>"
    }
    let next = source.bool() ? "<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>" : ""
    let text = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      + "<EncodingType>url</EncodingType>\(next)\(entries)</ListBucketResult>"
    guard let listing = S3Document(parsing: Array(text.utf8)).flatMap(S3Listing.init) else {
      throw Finding("a listing that is whole is refused")
    }
    try promise(listing.objects.map(\.key) == objects.map(\.key), "a key is read otherwise")
    try promise(listing.objects.map(\.size) == objects.map(\.size), "a size is read otherwise")
    try promise(listing.continuation == (next.isEmpty ? nil : "t&1"), "a listing goes on otherwise")
  }

  private static func escaped(_ key: String) -> String {
    key.utf8.reduce(into: "") { $0 += ($1 < 16 ? "%0" : "%") + String($1, radix: 16) }
  }

  static var seeds: [[UInt8]] {
    let head = "<ListBucketResult><EncodingType>url</EncodingType>"
    return [
      "\(head)<Contents><Key>a%2Fb</Key><Size>12</Size></Contents></ListBucketResult>",
      "\(head)<IsTruncated>true</IsTruncated></ListBucketResult>", "<s3:Error><Code>NoSuchKey</Code></s3:Error>",
      "<!DOCTYPE x [<!ENTITY a \"b\"><!ENTITY c \"&a;&a;&a;\">]><ListBucketResult>&c;</ListBucketResult>",
      "\(head)<Contents><Key>k</Key><Size>-1</Size></Contents></ListBucketResult>",
      String(repeating: "<a>", count: 20) + String(repeating: "</a>", count: 20), "<a", "",
    ].map { Array($0.utf8) }
  }
}
