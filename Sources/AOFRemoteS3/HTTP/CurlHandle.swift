import CCurl

/// One easy handle of libcurl, with its connection. Confined to the thread that took it out of the pool.
final class CurlHandle: @unchecked Sendable {  // owned by one thread at a time, as the pool's lock sees to
  private let curl: UnsafeMutableRawPointer
  /// Where libcurl says in words what went wrong.
  private let errorText = UnsafeMutableBufferPointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

  /// Once for the process, before the first handle.
  private static let isInitialised = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  init() throws(HTTPFailure) {
    guard Self.isInitialised, let curl = curl_easy_init() else {
      errorText.deallocate()
      throw HTTPFailure(kind: .impossible, message: "libcurl cannot be used")
    }
    self.curl = curl
  }

  deinit {
    curl_easy_cleanup(curl)
    errorText.deallocate()
  }

  func perform(
    _ request: HTTPRequest, caBundle: String?, _ cancellation: Cancellation
  ) throws(HTTPFailure) -> HTTPResponse {
    // Connections stay; everything that the request before has set goes.
    curl_easy_reset(curl)
    errorText.initialize(repeating: 0)
    let exchange = CurlExchange(request)
    let list = Self.list(request)
    defer { curl_slist_free_all(list) }
    aofs_curl_set_pointer(curl, CURLOPT_HTTPHEADER, list)
    set(request, caBundle: caBundle)
    let result = withExtendedLifetime(exchange) {
      let context = Unmanaged.passUnretained(exchange).toOpaque()
      aofs_curl_set_callback(curl, CURLOPT_HEADERFUNCTION, receiveHeader)
      set(CURLOPT_HEADERDATA, pointer: context)
      aofs_curl_set_callback(curl, CURLOPT_WRITEFUNCTION, receiveBody)
      set(CURLOPT_WRITEDATA, pointer: context)
      // Called at least once a second, whether or not anything moves.
      set(CURLOPT_NOPROGRESS, 0)
      aofs_curl_set_progress(curl, mustEnd)
      set(CURLOPT_XFERINFODATA, pointer: Unmanaged.passUnretained(cancellation).toOpaque())
      return curl_easy_perform(curl)
    }
    if result == CURLE_ABORTED_BY_CALLBACK { throw .cancelled }
    // What was cut off is the end of an error's page, and the status says enough.
    if exchange.isCutOff { return exchange.response }
    guard result == CURLE_OK else { throw failure(result, exchange) }
    return exchange.response
  }

  // MARK: Options

  private func set(_ request: HTTPRequest, caBundle: String?) {
    set(CURLOPT_ERRORBUFFER, pointer: errorText.baseAddress)
    set(CURLOPT_URL, request.url)
    set(CURLOPT_PROTOCOLS_STR, "http,https")
    set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
    set(CURLOPT_NOSIGNAL, 1)
    // A thread that asks a name server which does not answer is left behind at the end, and not waited for.
    set(CURLOPT_QUICK_EXIT, 1)
    set(CURLOPT_TCP_NODELAY, 1)
    set(CURLOPT_TCP_KEEPALIVE, 1)
    set(CURLOPT_BUFFERSIZE, 512 << 10)
    set(CURLOPT_UPLOAD_BUFFERSIZE, 512 << 10)
    set(CURLOPT_CONNECTTIMEOUT_MS, request.connectTimeout)
    set(CURLOPT_LOW_SPEED_LIMIT, 1024)
    set(CURLOPT_LOW_SPEED_TIME, request.stallTimeout)
    if request.onFreshConnection { set(CURLOPT_FRESH_CONNECT, 1) }
    if !request.mayUseProxy { set(CURLOPT_NOPROXY, "*") }
    if let caBundle {
      set(CURLOPT_CAINFO, caBundle)
      // The directory of the system's authorities is looked into beside the file, unless there is none.
      set(CURLOPT_CAPATH, pointer: nil)
    }
    switch request.method {
    case .get: set(CURLOPT_HTTPGET, 1)
    case .head: set(CURLOPT_NOBODY, 1)
    case .put, .post, .delete:
      // A body from memory, which libcurl can send again by itself where a kept connection turns out to be closed. One
      // without bytes needs an address, too.
      if let body = request.body {
        aofs_curl_set_size(curl, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
        set(CURLOPT_POSTFIELDS, pointer: UnsafeMutableRawPointer(mutating: body.baseAddress ?? UnsafeRawPointer(curl)))
      }
      set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
    }
  }

  private func set(_ option: CURLoption, _ value: Int) { aofs_curl_set_long(curl, option, value) }
  private func set(_ option: CURLoption, _ value: String) { aofs_curl_set_string(curl, option, value) }
  private func set(_ option: CURLoption, pointer: UnsafeMutableRawPointer?) {
    aofs_curl_set_pointer(curl, option, pointer)
  }

  private static func list(_ request: HTTPRequest) -> UnsafeMutablePointer<curl_slist>? {
    var list: UnsafeMutablePointer<curl_slist>?
    for (name, value) in request.headers { list = curl_slist_append(list, "\(name): \(value)") }
    // Without a value: not to be sent. Waiting for a "100 Continue" costs a round trip with every object.
    for name in ["Expect", "Accept"] { list = curl_slist_append(list, "\(name):") }
    if request.body != nil, !request.headers.contains(where: { $0.name.lowercased() == "content-type" }) {
      list = curl_slist_append(list, "Content-Type:")
    }
    return list
  }

  // MARK: Failures

  private func failure(_ code: CURLcode, _ exchange: CurlExchange) -> HTTPFailure {
    if exchange.isTooLarge {
      return HTTPFailure(kind: .tooLarge, message: "the answer has more bytes than can be taken")
    }
    let detail = errorText.baseAddress.map { String(cString: $0) } ?? ""
    let message = detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
    let kind: HTTPFailure.Kind =
      switch code {
      case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT: .unreachable
      case CURLE_OPERATION_TIMEDOUT: .timedOut
      case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM, CURLE_SSL_ISSUER_ERROR:
        .untrusted
      case CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_SSL_CONNECT_ERROR,
        CURLE_SEND_FAIL_REWIND, CURLE_WEIRD_SERVER_REPLY, CURLE_AGAIN:
        .interrupted
      default: .impossible
      }
    return HTTPFailure(kind: kind, message: message)
  }
}

/// What comes back for one request.
private final class CurlExchange {
  private(set) var response = HTTPResponse(status: 0)
  private(set) var isTooLarge = false
  /// Whether an error's page has more bytes than are of use.
  private(set) var isCutOff = false
  private let destination: UnsafeMutableRawBufferPointer?
  private let limit: Int

  init(_ request: HTTPRequest) {
    destination = request.destination
    limit = request.collectedLimit
  }

  /// One line, with its end.
  func receive(header line: UnsafeRawBufferPointer) {
    let text = String(decoding: line, as: UTF8.self)
    if text.hasPrefix("HTTP/") {
      // A new answer begins; what came before was "100 Continue", or a proxy's.
      let status = text.split(separator: " ").dropFirst().first.flatMap { Int($0.prefix(3)) }
      response = HTTPResponse(status: status ?? 0)
      return
    }
    guard let colon = text.firstIndex(of: ":") else { return }
    let value = text[text.index(after: colon)...].drop { $0.isWhitespace }
    let end = value.lastIndex { !$0.isWhitespace }.map(value.index(after:)) ?? value.startIndex
    response.headers.append((String(text[..<colon]), String(value[..<end])))
  }

  /// False if there is no room: the request ends then.
  func receive(body bytes: UnsafeRawBufferPointer) -> Bool {
    guard response.isSuccess else { return receive(error: bytes) }
    guard bytes.count <= (destination?.count ?? limit) - response.bodyLength else {
      isTooLarge = true
      return false
    }
    if let destination {
      UnsafeMutableRawBufferPointer(rebasing: destination[response.bodyLength...]).copyMemory(from: bytes)
    } else {
      response.body.append(contentsOf: bytes)
    }
    response.bodyLength += bytes.count
    return true
  }

  /// Whatever the object may have: an error is longer than a small object, and no page of errors is of interest as a whole.
  private func receive(error bytes: UnsafeRawBufferPointer) -> Bool {
    let fitting = min(bytes.count, HTTPRequest.longestError - response.bodyLength)
    response.body.append(contentsOf: bytes.prefix(fitting))
    response.bodyLength += fitting
    isCutOff = fitting < bytes.count
    return !isCutOff
  }
}

/// Other than 0 ends the request.
private func mustEnd(
  _ context: UnsafeMutableRawPointer?, _: curl_off_t, _: curl_off_t, _: curl_off_t, _: curl_off_t
) -> CInt {
  guard let context else { return 0 }
  return Unmanaged<Cancellation>.fromOpaque(context).takeUnretainedValue().isOver ? 1 : 0
}

private func receiveHeader(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let bytes, let context else { return 0 }
  let exchange = Unmanaged<CurlExchange>.fromOpaque(context).takeUnretainedValue()
  exchange.receive(header: UnsafeRawBufferPointer(start: bytes, count: size * count))
  return size * count
}

private func receiveBody(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let bytes, let context else { return 0 }
  let exchange = Unmanaged<CurlExchange>.fromOpaque(context).takeUnretainedValue()
  let isTaken = exchange.receive(body: UnsafeRawBufferPointer(start: bytes, count: size * count))
  return isTaken ? size * count : 0
}
