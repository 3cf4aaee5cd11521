import AOFCore

/// Why a request to S3 came to nothing: an answer that says so, or no whole answer.
struct S3Failure: Error {
  /// 0 where no answer came.
  var status = 0
  /// The error's code, as `NoSuchKey`; empty where the answer names none.
  var code = ""
  var message: String
  var requestID: String?
  /// Where the bucket is, if the answer says so.
  var region: String?
  /// The server's `Date`.
  var date: String?
  /// How long the server wants to be left alone, in milliseconds.
  var retryAfter: Int?
  /// Whether the answer has no body, as those to HEAD, which could say what is wrong.
  var isBodyless = false
  /// Set where no whole answer came.
  var transport: HTTPFailure.Kind?
  /// What stays wrong however often it is asked; an `AofError` of it is thrown as it is.
  var cause: AofError?
  /// Whether `cause` may be over soon.
  var isPassing = false

  init(_ response: HTTPResponse, to method: HTTPRequest.Method) {
    isBodyless = method == .head
    status = response.status
    let document = S3Document(parsing: response.body)
    let error = document?.name == "Error" ? document : nil
    code = error?["Code"] ?? ""
    message = error?["Message"] ?? ""
    requestID = response.header("x-amz-request-id") ?? error?["RequestId"]
    region = response.header("x-amz-bucket-region") ?? error?["Region"]
    date = response.header("date")
    retryAfter = response.header("retry-after").flatMap { Int($0) }.map { $0.clamped(to: 0...60) * 1000 }
  }

  init(_ failure: HTTPFailure) {
    message = failure.message
    transport = failure.kind
    if failure.kind == .cancelled { cause = AofError(.interrupted, failure.message) }
  }

  /// An answer that came whole and is not what was asked for.
  init(_ response: HTTPResponse, isNot what: String) {
    self.init(HTTPFailure(kind: .interrupted, message: what))
    status = response.status
    requestID = response.header("x-amz-request-id")
  }

  init(_ error: AofError) {
    message = error.message
    cause = error
  }

  init(_ failure: CredentialFailure) {
    self.init(failure.error)
    isPassing = failure.kind == .passing
  }
}

extension S3Failure {
  /// What to do about it.
  enum Verdict {
    case final
    case retry
    /// Sign with the server's time, then retry.
    case adjustClock
    /// Load other credentials, then retry.
    case renewCredentials
  }

  var verdict: Verdict {
    if cause != nil { return isPassing ? .retry : .final }
    if let transport { return HTTPFailure(kind: transport, message: "").isTransient ? .retry : .final }
    switch code {
    case "RequestTimeTooSkewed": return .adjustClock
    case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId",
      // The secret may have been exchanged while its id stayed.
      "SignatureDoesNotMatch":
      return .renewCredentials
    case "InternalError", "SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestTimeout",
      "RequestTimeoutException", "OperationAborted", "ConditionalRequestConflict", "IncompleteBody", "BadDigest",
      "XAmzContentSHA256Mismatch", "RequestLimitExceeded", "BandwidthLimitExceeded":
      return .retry
    default: return isNotOfS3 || [408, 425, 429, 500, 502, 503, 504].contains(status) ? .retry : .final
    }
  }

  /// Whether there is no such object, in S3's own words: whoever asks may give the object up for lost. A bucket that is
  /// not there is something else, and so is what a proxy says.
  var isMissingObject: Bool { status == 404 && code == "NoSuchKey" }

  /// Whether something between us and the server, or another server in its place, says that it finds nothing.
  private var isNotOfS3: Bool { status == 404 && code.isEmpty && !isBodyless }

  /// - Parameters:
  ///   - action: what was tried, with the object, as `cannot read s3://bucket/key`.
  ///   - remedy: what to do; nil for what is always to be done about it.
  func error(_ action: String, attempts: Int, remedy: String? = nil) -> AofError {
    if let cause {
      let tries = attempts > 1 ? ", tried \(attempts) times" : ""
      return AofError(cause.code, "\(action): \(cause.message)\(tries)", remedy: cause.remedy, cause: cause.cause)
    }
    var facts: [String] = []
    if status > 0 { facts.append(code.isEmpty ? "status \(status)" : "\(status) \(code)") }
    if isNotOfS3 { facts.append("the answer is not S3's") }
    if !message.isEmpty { facts.append(message) }
    if let requestID { facts.append("request \(requestID)") }
    if attempts > 1 { facts.append("tried \(attempts) times") }
    return AofError(aofCode, "\(action): \(facts.joined(separator: ", "))", remedy: remedy ?? self.remedy)
  }

  private var aofCode: AofError.Code {
    if isMissingObject { return .notFound }
    return status == 501 ? .unsupported : .remoteFailure
  }

  private var remedy: String {
    switch code {
    case "NoSuchBucket": return "create the bucket, or correct the remote's name"
    case "AccessDenied", "AllAccessDisabled", "AccountProblem":
      return "allow these credentials s3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket and "
        + "s3:AbortMultipartUpload there (docs/S3.md has the policy)"
    case "SignatureDoesNotMatch": return "check the secret access key, and that no proxy changes requests"
    case "InvalidAccessKeyId": return "check the access key, and that it belongs to this endpoint"
    case "ExpiredToken", "ExpiredTokenException", "InvalidToken": return "renew the temporary credentials"
    case "RequestTimeTooSkewed": return "set this machine's clock right"
    case "PermanentRedirect", "AuthorizationHeaderMalformed", "TemporaryRedirect", "IllegalLocationConstraintException":
      return region.map { "the bucket is in the region \($0): use --s3-region \($0)" }
        ?? "name the bucket's region with --s3-region, or the server with --s3-endpoint"
    case "SlowDown", "ServiceUnavailable", "Throttling", "RequestLimitExceeded": return "the server is overloaded; try again later"
    case "InvalidStorageClass": return "correct --s3-storage-class"
    case "KMS.DisabledException", "KMS.NotFoundException": return "correct the key of --s3-sse"
    case "QuotaExceeded", "EntityTooLarge": return "raise the quota of the bucket or its owner"
    default: break
    }
    if isNotOfS3 { return "check --s3-endpoint, and the proxies on the way to it" }
    if status == 301 || status == 307, let region { return "the bucket is in the region \(region): use --s3-region \(region)" }
    switch transport {
    case .unreachable: return "check the network and --s3-endpoint"
    case .untrusted: return "name the certificates to trust with --s3-ca-bundle"
    default: return ""
    }
  }
}

extension Comparable {
  func clamped(to range: ClosedRange<Self>) -> Self { min(max(self, range.lowerBound), range.upperBound) }
}
