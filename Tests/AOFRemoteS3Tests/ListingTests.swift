import AOFRemote
import Testing

@testable import AOFRemoteS3

@Suite struct ListingTests {
  @Test(arguments: [
    ("a%2Fb", "a/b"), ("%C3%A9%c3%a9", "éé"), ("%EF%BB%BFa", "\u{FEFF}a"), ("plain", "plain"), ("", ""),
    // What nobody can have encoded.
    ("100%", "100%"), ("%4", "%4"), ("%+4", "%+4"), ("%FF", "%FF"),
  ])
  func keysAreDecoded(text: String, key: String) { #expect(Array((text.removingPercents ?? text).utf8) == Array(key.utf8)) }

  @Test func aKeyMayBeginWithAnything() throws {
    let document = """
      <ListBucketResult><EncodingType>url</EncodingType>
      <Contents><Key>%EF%BB%BFk</Key><Size>1</Size></Contents></ListBucketResult>
      """
    let listing = try #require(S3Document(parsing: Array(document.utf8)).flatMap(S3Listing.init))
    #expect(listing.objects.map { Array($0.key.utf8) } == [Array("\u{FEFF}k".utf8)])
  }
}
