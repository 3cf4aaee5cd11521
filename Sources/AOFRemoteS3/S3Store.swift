import AOFCore
import AOFRemote
import AOFSystem

/// A bucket of S3, or of a server that speaks S3, below a prefix.
///
/// Each call is one request, or as many as the parts of an object; all are signed, and repeated where that may help.
public final class S3Store: RemoteStore {
  let location: S3Location
  let client: S3Client
  /// Sends the parts of uploads, so that their writers go on meanwhile.
  let senders: WorkQueue
  let partSize: Int
  /// Whether the server is known to keep `If-None-Match: *`.
  let keepsConditions = Lock<Bool?>(nil)

  /// The size of the parts of an object, and of the largest that is written in one request, in bytes. S3 takes 10,000
  /// parts: enough for the largest chunk some forty times over. An upload has up to ``S3Upload/maximumBuffers`` of them
  /// in memory.
  static let standardPartSize = 16 << 20

  /// Asks the server for nothing yet: what is wrong with the location shows in the first call.
  ///
  /// - Parameter report: told what people should know though nothing failed, on any thread.
  /// - Throws: `system(EAGAIN)` when the process may start no more threads.
  public convenience init(
    _ location: S3Location, report: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(AofError) {
    var services = S3Services(transport: CurlTransport(caBundle: location.settings.caBundle))
    services.report = report
    if let retry = location.settings.retry { services.retry = .lasting(retry.wholeMilliseconds) }
    try self.init(location, services)
  }

  init(_ location: S3Location, _ services: S3Services, partSize: Int = standardPartSize) throws(AofError) {
    self.location = location
    self.partSize = partSize
    let session = S3Session(services)
    // The region of another server says nothing of where roles are taken on.
    let amazonRegion = location.settings.endpoint == nil ? location.settings.region : nil
    client = S3Client(
      S3Endpoint(location, region: Self.region(location, services.environment)), session,
      credentials: CredentialCache(sources: session.credentialSources(region: amazonRegion), clock: session))
    senders = try WorkQueue(name: "aofs-s3", threads: 2)
  }

  private static func region(_ location: S3Location, _ environment: AwsEnvironment) -> String {
    location.settings.region ?? environment.region ?? S3Endpoint.defaultRegion
  }

  /// The location with the region that the environment gives it: another environment might find another bucket.
  public static func settled(_ location: S3Location) -> S3Location {
    var location = location
    // A region that cannot be stored is one that no server has.
    try? location.settings.set(.region, region(location, .system))
    return location
  }

  public var description: String { location.place }

  public func cancel() { client.cancel() }

  /// Whether the bucket is there and may be listed, with one request.
  ///
  /// - Throws: `remoteFailure`, with what to do.
  public func check() throws(AofError) { _ = try page(location.keyPrefix, after: nil, limit: 1, continuation: nil) }

  // MARK: Reading

  public func read(_ key: RemoteKey, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(AofError) {
    guard !buffer.isEmpty else {
      guard let size = try size(of: key) else { throw missing(key) }
      guard offset <= size else { throw tooShort(key, size) }
      return
    }
    let (end, overflow) = offset.addingReportingOverflow(UInt64(buffer.count))
    guard !overflow, end <= UInt64(Int64.max) else { throw tooShort(key, nil) }
    var request = S3Request(method: .get, key: full(key))
    request.headers = [("Range", "bytes=\(offset)-\(end - 1)")]
    request.destination = buffer
    do throws(S3FinalFailure) {
      try client.send(request) { response throws(S3Failure) in
        try checkRange(response, offset, end)
        if response.bodyLength == buffer.count { return }
        // The object may end within the range; or the answer within the object.
        guard let total = Self.total(response), total < end else {
          throw S3Failure(response, isNot: "\(response.bodyLength) bytes came instead of \(buffer.count)")
        }
        throw S3Failure(tooShort(key, total))
      }
    } catch {
      if error.failure.status == 416 { throw tooShort(key, nil) }
      // A larger object from its start on.
      let isWhole = error.failure.transport == .tooLarge
      throw failure("read", key, isWhole ? S3FinalFailure(failure: Self.knowsNoRanges, attempts: error.attempts) : error)
    }
  }

  /// - Throws: unless the server kept to the range. One that begins or ends elsewhere is a bad answer, and no damage of
  ///   the object.
  private func checkRange(_ response: HTTPResponse, _ start: UInt64, _ end: UInt64) throws(S3Failure) {
    guard response.status == 206 else {
      if start == 0 { return }
      throw Self.knowsNoRanges
    }
    guard let range = ContentRange(response.header("content-range")), range.first == start,
      range.last == min(end, range.total ?? end) - 1
    else {
      let what = response.header("content-range") ?? "no range"
      throw S3Failure(response, isNot: "the answer has \(what) instead of bytes \(start)-\(end - 1)")
    }
  }

  private static var knowsNoRanges: S3Failure {
    S3Failure(
      AofError(
        .unsupported, "the server sent the whole object instead of a range",
        remedy: "check --s3-endpoint, and the proxies on the way to it: S3 has ranges"))
  }

  /// The object's size, as an answer with a range tells it.
  private static func total(_ response: HTTPResponse) -> UInt64? {
    if response.status == 200 { return response.header("content-length").flatMap { UInt64($0) } }
    return ContentRange(response.header("content-range"))?.total
  }

  public func get(_ key: RemoteKey, limit: Int) throws(AofError) -> [UInt8]? {
    var request = S3Request(method: .get, key: full(key))
    request.collectedLimit = limit
    do throws(S3FinalFailure) {
      return try client.send(request) { response throws(S3Failure) in response.body }
    } catch {
      if error.failure.isMissingObject { return nil }
      if error.failure.transport == .tooLarge {
        throw AofError(.tooLarge, "\(self)/\(key) has more than \(limit) bytes")
      }
      throw failure("read", key, error)
    }
  }

  public func size(of key: RemoteKey) throws(AofError) -> UInt64? {
    do throws(S3FinalFailure) {
      return try client.send(S3Request(method: .head, key: full(key))) { response throws(S3Failure) in
        guard let size = response.header("content-length").flatMap({ UInt64($0) }) else {
          throw S3Failure(response, isNot: "the answer names no length")
        }
        return size
      }
    } catch where error.failure.status > 0 {
      // Answers to HEAD have no body that would say what is wrong.
      return try explain(key)
    } catch {
      throw failure("find", key, error)
    }
  }

  /// Nil if there is no such object. - Throws: what the server says of the key.
  private func explain(_ key: RemoteKey) throws(AofError) -> UInt64? {
    var request = S3Request(method: .get, key: full(key))
    request.headers = [("Range", "bytes=0-0")]
    do throws(S3FinalFailure) {
      return try client.send(request) { response throws(S3Failure) in
        guard let total = Self.total(response) else { throw S3Failure(response, isNot: "the answer names no length") }
        return total
      }
    } catch {
      if error.failure.isMissingObject { return nil }
      // Of an empty object no range can be had.
      if error.failure.status == 416 { return 0 }
      throw failure("find", key, error)
    }
  }

  // MARK: Writing

  public func delete(_ key: RemoteKey) throws(AofError) {
    do throws(S3FinalFailure) {
      try client.send(S3Request(method: .delete, key: full(key))) { _ throws(S3Failure) in }
    } catch {
      if !error.failure.isMissingObject { throw failure("delete", key, error) }
    }
  }

  public func put(
    _ bytes: UnsafeRawBufferPointer, as key: RemoteKey, _ condition: RemoteCondition
  ) throws(AofError) -> RemoteOutcome {
    if condition == .ifAbsent { try checkConditions() }
    do throws(S3FinalFailure) {
      return try put(bytes, as: full(key), condition)
    } catch {
      throw failure("write", key, error)
    }
  }

  /// The headers that say how an object is to be kept.
  var storageHeaders: [(name: String, value: String)] {
    var headers: [(name: String, value: String)] = [("Content-Type", "application/octet-stream")]
    if let storageClass = location.settings.storageClass { headers.append(("x-amz-storage-class", storageClass)) }
    if let encryption = location.settings.encryption {
      let parts = encryption.split(separator: ":", maxSplits: 2)
      headers.append(("x-amz-server-side-encryption", parts.prefix(2).joined(separator: ":")))
      if parts.count > 2 { headers.append(("x-amz-server-side-encryption-aws-kms-key-id", String(parts[2]))) }
    }
    return headers
  }

  public func beginUpload(_ key: RemoteKey) throws(AofError) -> any RemoteUpload { S3Upload(self, key) }

  // MARK: Names and errors

  /// The key in the bucket.
  func full(_ key: RemoteKey) -> String { location.keyPrefix + key.text }

  func failure(_ verb: String, _ key: RemoteKey?, _ final: S3FinalFailure) -> AofError {
    let object = key.map { "\(self)/\($0)" } ?? "\(self)"
    return final.failure.error("cannot \(verb) \(object)", attempts: final.attempts)
  }

  private func missing(_ key: RemoteKey) -> AofError { AofError(.notFound, "there is no object \(self)/\(key)") }

  private func tooShort(_ key: RemoteKey, _ size: UInt64?) -> AofError {
    AofError(.corrupt, "\(self)/\(key) ends " + (size.map { "after \($0) bytes" } ?? "early"), remedy: "it is damaged")
  }
}
