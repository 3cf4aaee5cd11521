import AOFCore
import AOFRemote

/// Writing only what is not there. Of everybody who publishes an element of the manifest chain one must win, so a
/// server that takes `If-None-Match: *` and does not keep it would lose what others have published.
extension S3Store {
  /// The object that shows it; no ``RemoteKey`` can be called that, so nothing of ours is.
  private var probeKey: String { location.keyPrefix + ".aofs-probe" }

  private static let probe = Array("aofs writes this object twice to see whether conditional writes are kept.\n".utf8)

  /// Writes an object, with one request.
  func put(
    _ bytes: UnsafeRawBufferPointer, as key: String, _ condition: RemoteCondition
  ) throws(S3FinalFailure) -> RemoteOutcome {
    var request = S3Request(method: .put, key: key)
    request.headers = storageHeaders
    if condition == .ifAbsent { request.headers.append(("If-None-Match", "*")) }
    request.body = bytes
    do throws(S3FinalFailure) {
      return try client.send(request) { _ throws(S3Failure) in RemoteOutcome.created }
    } catch where condition == .ifAbsent && error.failure.status == 412 {
      return .alreadyExists
    }
  }

  /// Finds out, once, whether the server keeps conditions: the second of two conditional writes of the same name must
  /// be refused. The object stays, so later openings need one request.
  ///
  /// - Throws: `unsupported` if it does not; `remoteFailure`.
  func checkConditions() throws(AofError) {
    switch keepsConditions.withLock({ $0 }) {
    case .some(true): return
    case .some(false): throw unsupported()
    case .none: break
    }
    let isKept = try Self.probe.withUnsafeBytes { bytes in
      Result { () throws(AofError) -> Bool in
        do throws(S3FinalFailure) {
          if try put(bytes, as: probeKey, .ifAbsent) == .alreadyExists { return true }
          return try put(bytes, as: probeKey, .ifAbsent) == .alreadyExists
        } catch where error.failure.status == 501 {
          return false
        } catch {
          throw failure("write", nil, error)
        }
      }
    }.get()
    keepsConditions.withLock { $0 = isKept }
    guard isKept else { throw unsupported() }
  }

  private func unsupported() -> AofError {
    AofError(
      .unsupported, "\(self): the server \(client.endpoint.origin) does not keep 'If-None-Match: *' when objects are written",
      remedy: "use one that does (AWS S3, Ceph RGW, MinIO, R2), or a directory as the remote")
  }
}
