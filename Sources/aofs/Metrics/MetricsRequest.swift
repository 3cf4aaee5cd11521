import AOFControl

/// A request for the metrics over HTTP/1.1, and the answers to it. Pure.
///
/// GET and HEAD of `/metrics`, whatever the query; every answer ends the connection.
enum MetricsRequest: Equatable {
  case metrics(withBody: Bool)
  case refused(Refusal)

  enum Refusal: String, Equatable {
    case badRequest = "400 Bad Request"
    case notFound = "404 Not Found"
    case notAllowed = "405 Method Not Allowed"
    case tooLarge = "431 Request Header Fields Too Large"
    /// The mount does not answer.
    case unavailable = "503 Service Unavailable"
  }

  /// Nil if the head of the request is not whole yet.
  init?(_ bytes: [UInt8], limit: Int) {
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.contains("\r\n\r\n") || text.contains("\n\n") else {
      guard bytes.count >= limit else { return nil }
      self = .refused(.tooLarge)
      return
    }
    let words = text.prefix { !$0.isNewline }.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 3, words[2].hasPrefix("HTTP/1.") else {
      self = .refused(.badRequest)
      return
    }
    let path = words[1].prefix { $0 != "?" }
    switch words[0] {
    case _ where path != "/metrics": self = .refused(.notFound)
    case "GET": self = .metrics(withBody: true)
    case "HEAD": self = .metrics(withBody: false)
    default: self = .refused(.notAllowed)
    }
  }

  static func answer(_ text: String, withBody: Bool) -> [UInt8] {
    let body = Array(text.utf8)
    return head("200 OK", MetricsText.contentType, body.count) + (withBody ? body : [])
  }

  static func answer(_ refusal: Refusal, _ reason: String = "") -> [UInt8] {
    let body = Array((reason.isEmpty ? refusal.rawValue : reason).utf8) + [UInt8(ascii: "\n")]
    return head(refusal.rawValue, "text/plain; charset=utf-8", body.count) + body
  }

  private static func head(_ status: String, _ type: String, _ length: Int) -> [UInt8] {
    let allow = status.hasPrefix("405") ? "Allow: GET, HEAD\r\n" : ""
    return Array(
      "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(length)\r\n\(allow)Connection: close\r\n\r\n".utf8)
  }
}
