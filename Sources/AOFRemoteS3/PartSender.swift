import AOFCore
import AOFRemote
import AOFSystem

/// One multipart upload: its parts go out on the store's threads, a bounded number at a time.
final class PartSender: Sendable {
  private struct State {
    var underWay = 0
    /// By the number of the part, from 1.
    var tags: [Int: String] = [:]
    var parts = 0
    var failure: AofError?
    /// Were sent, and can be filled again.
    var free: [PartBuffer] = []
  }

  /// How long a server may think about a whole object without a byte, in seconds.
  private static let completionTime = 120

  private let store: S3Store
  private let key: RemoteKey
  private let uploadID: String
  private let state = Monitor(State())

  /// Begins the upload. Blocks on the remote.
  init(_ store: S3Store, _ key: RemoteKey) throws(AofError) {
    self.store = store
    self.key = key
    var request = S3Request(method: .post, key: store.full(key))
    request.query = [("uploads", "")]
    request.headers = store.storageHeaders
    request.body = UnsafeRawBufferPointer(start: nil, count: 0)
    do throws(S3FinalFailure) {
      uploadID = try store.client.send(request) { response throws(S3Failure) in
        guard let id = S3Document(parsing: response.body)?["UploadId"], !id.isEmpty else {
          throw S3Failure(response, isNot: "the answer names no upload")
        }
        return id
      }
    } catch {
      throw store.failure("begin", key, error)
    }
  }

  /// A buffer that was sent, if there is one.
  func takeBuffer() -> PartBuffer? { state.withLock { $0.free.popLast() } }

  /// Hands a part over; waits for a place among those under way.
  ///
  /// - Throws: what kept an earlier part from being sent.
  func send(_ buffer: PartBuffer) throws(AofError) {
    let number = try state.wait { state throws(AofError) -> Int? in
      if let failure = state.failure { throw failure }
      guard state.underWay < S3Upload.maximumBuffers - 1 else { return nil }
      state.underWay += 1
      state.parts += 1
      return state.parts
    }
    let isTaken = store.senders.add { self.put(buffer, number) }
    if !isTaken { finish(buffer, number, .failure(AofError(.remoteFailure, "\(store) is being closed"))) }
  }

  /// On one of the store's threads.
  private func put(_ buffer: PartBuffer, _ number: Int) {
    // Of an upload that has failed no more parts are needed.
    if let failure = state.withLock({ $0.failure }) { return finish(buffer, number, .failure(failure)) }
    var request = S3Request(method: .put, key: store.full(key))
    request.query = [("partNumber", "\(number)"), ("uploadId", uploadID)]
    request.body = buffer.bytes
    do throws(S3FinalFailure) {
      let tag = try store.client.send(request) { response throws(S3Failure) in
        guard let tag = response.header("etag") else { throw S3Failure(response, isNot: "the answer has no ETag") }
        return tag
      }
      finish(buffer, number, .success(tag))
    } catch {
      finish(buffer, number, .failure(store.failure("write part \(number) of", key, error)))
    }
  }

  private func finish(_ buffer: PartBuffer, _ number: Int, _ result: Result<String, AofError>) {
    buffer.clear()
    state.change { state in
      state.underWay -= 1
      state.free.append(buffer)
      switch result {
      case .success(let tag): state.tags[number] = tag
      case .failure(let error): state.failure = state.failure ?? error
      }
    }
  }

  /// Makes the object of the parts, once all of them are there.
  func complete(size: UInt64) throws(AofError) {
    let tags = try state.wait { state throws(AofError) -> [Int: String]? in
      if let failure = state.failure { throw failure }
      return state.underWay == 0 ? state.tags : nil
    }
    let parts = tags.sorted { $0.key < $1.key }.map {
      "<Part><PartNumber>\($0.key)</PartNumber><ETag>\($0.value.escapedForXML)</ETag></Part>"
    }
    let body = Array("<CompleteMultipartUpload>\(parts.joined())</CompleteMultipartUpload>".utf8)
    try body.withUnsafeBytes { body in Result { () throws(AofError) in try complete(body, size: size) } }.get()
  }

  private func complete(_ body: UnsafeRawBufferPointer, size: UInt64) throws(AofError) {
    var request = S3Request(method: .post, key: store.full(key))
    request.query = [("uploadId", uploadID)]
    request.headers = [("Content-Type", "application/xml")]
    request.body = body
    request.stallTimeout = Self.completionTime
    do throws(S3FinalFailure) {
      try store.client.send(request) { response throws(S3Failure) in
        // S3 answers 200 before it is done, and says in the body how it went.
        let document = S3Document(parsing: response.body)
        if document?.name == "Error" { throw S3Failure(response, to: .post) }
        // "…Result" at AWS; others call it "…Output".
        guard document?.name.hasPrefix("CompleteMultipartUpload") == true else {
          throw S3Failure(response, isNot: "the answer does not say that the object is there")
        }
      }
    } catch {
      // An earlier try may have been done though its answer was lost, and libcurl may have tried by itself; the name was
      // ours alone.
      if error.failure.code == "NoSuchUpload", try store.size(of: key) == size { return }
      throw store.failure("complete", key, error)
    }
  }

  /// Gives the parts up. What is left of them if the server cannot be reached, its lifecycle rules delete.
  func abort() {
    state.change { $0.failure = $0.failure ?? AofError(.interrupted, "the upload of \(key) was abandoned") }
    // A part that arrives after the end would stay.
    state.wait { $0.underWay == 0 ? () : nil }
    var request = S3Request(method: .delete, key: store.full(key))
    request.query = [("uploadId", uploadID)]
    request.retry = .brief
    _ = try? store.client.send(request) { _ throws(S3Failure) in }
  }
}

extension String {
  fileprivate var escapedForXML: String {
    replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}
