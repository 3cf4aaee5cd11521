import AOFCore
import AOFRemote
import Testing

@testable import AOFRemoteS3

@Suite struct UnfinishedUploadTests {
  private static func listing(_ uploads: [(key: String, id: String)], next: (key: String, id: String)? = nil) -> String {
    let entries = uploads.map { "<Upload><Key>\($0.key)</Key><UploadId>\($0.id)</UploadId></Upload>" }.joined()
    let end = next.map {
      "<IsTruncated>true</IsTruncated><NextKeyMarker>\($0.key)</NextKeyMarker><NextUploadIdMarker>\($0.id)</NextUploadIdMarker>"
    }
    return "<ListMultipartUploadsResult><EncodingType>url</EncodingType>\(entries)\(end ?? "")</ListMultipartUploadsResult>"
  }

  @Test func thoseOfOursAreGivenUpOnEveryPage() throws {
    let scripted = try ScriptedStore(
      answer(200, Self.listing([("pre/a", "1"), ("pre/.other", "2")], next: ("pre/.other", "2"))), answer(204),
      answer(200, Self.listing([("pre/b%2Fc", "3"), ("pre/d", "4"), ("pre/e", "5")])), answer(204),
      // Somebody was faster.
      refusal(404, "NoSuchUpload"))
    #expect(try scripted.store.abandonUploads { $0.text != "d" } == 3)
    let asked = scripted.transport.asked
    #expect(asked.map(\.method) == [.get, .delete, .get, .delete, .delete])
    #expect(asked[0].url == "http://host:9/bucket/?encoding-type=url&prefix=pre%2F&uploads=")
    #expect(asked[1].url == "http://host:9/bucket/pre/a?uploadId=1")
    #expect(asked[2].url.contains("key-marker=pre%2F.other&prefix=pre%2F&upload-id-marker=2&uploads="))
    #expect(asked[3].url == "http://host:9/bucket/pre/b/c?uploadId=3")
    #expect(asked[4].url == "http://host:9/bucket/pre/e?uploadId=5")
  }

  @Test func aServerThatDoesNotLetUsListThemIsAnError() throws {
    let scripted = try ScriptedStore(refusal(403, "AccessDenied"))
    let error = failure { _ = try scripted.store.abandonUploads { _ in true } }
    #expect(error?.code == .remoteFailure && error?.remedy.contains("s3:ListBucketMultipartUploads") == true)
  }
}
