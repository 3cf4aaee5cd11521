import AOFCore
import AOFRemote

/// Multipart uploads that nobody ended: their parts are in no listing of objects, and are paid for.
extension S3Store {
  public func abandonUploads(_ isOurs: (RemoteKey) -> Bool) throws(AofError) -> Int {
    var count = 0
    var position: UploadPosition?
    repeat {
      let page = try uploadPage(after: position)
      for upload in page.uploads {
        let name = String(upload.key.dropFirst(location.keyPrefix.count))
        guard let key = try? RemoteKey(name), isOurs(key) else { continue }
        try abandon(upload, key)
        count += 1
      }
      position = page.next
    } while position != nil
    return count
  }

  private struct UploadPosition: Equatable {
    var key: String
    var id: String
  }

  private struct UploadPage {
    var uploads: [UploadPosition] = []
    /// Where the next page begins; nil for the last one.
    var next: UploadPosition?
  }

  private func uploadPage(after position: UploadPosition?) throws(AofError) -> UploadPage {
    var request = S3Request(method: .get)
    request.collectedLimit = 8 << 20
    request.query = [("uploads", ""), ("encoding-type", "url"), ("prefix", location.keyPrefix)]
    if let position { request.query += [("key-marker", position.key), ("upload-id-marker", position.id)] }
    do throws(S3FinalFailure) {
      return try client.send(request) { response throws(S3Failure) in
        guard let page = Self.uploadPage(S3Document(parsing: response.body)) else {
          throw S3Failure(response, isNot: "the listing of uploads is not whole")
        }
        return page
      }
    } catch {
      throw error.failure.error(
        "cannot list unfinished uploads in \(self)", attempts: error.attempts,
        remedy: error.failure.code == "AccessDenied" ? "allow these credentials s3:ListBucketMultipartUploads there" : nil)
    }
  }

  private static func uploadPage(_ document: S3Document?) -> UploadPage? {
    guard let document, document.name == "ListMultipartUploadsResult" else { return nil }
    let isEncoded = document["EncodingType"] == "url"
    func plain(_ text: String) -> String { isEncoded ? text.removingPercents ?? text : text }
    var page = UploadPage()
    for entry in document.all("Upload") {
      guard let key = entry["Key"], let id = entry["UploadId"] else { return nil }
      page.uploads.append(UploadPosition(key: plain(key), id: id))
    }
    if document["IsTruncated"] == "true" {
      guard let key = document["NextKeyMarker"], let id = document["NextUploadIdMarker"] else { return nil }
      page.next = UploadPosition(key: plain(key), id: id)
    }
    return page
  }

  private func abandon(_ upload: UploadPosition, _ key: RemoteKey) throws(AofError) {
    var request = S3Request(method: .delete, key: full(key))
    request.query = [("uploadId", upload.id)]
    do throws(S3FinalFailure) {
      try client.send(request) { _ throws(S3Failure) in }
    } catch {
      if error.failure.code != "NoSuchUpload" { throw failure("give up an upload of", key, error) }
    }
  }
}
