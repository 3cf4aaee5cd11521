import AOFSystem
import Foundation
import Testing

@testable import AOFRemoteS3

/// libcurl against a server that misbehaves on purpose.
@Suite struct CurlTransportTests {
  private func get(
    _ steps: [LocalServer.Step]..., destination count: Int? = nil, limit: Int = 1000
  ) throws -> (response: HTTPResponse, bytes: [UInt8]) {
    let server = try LocalServer(steps)
    var bytes = [UInt8](repeating: 0, count: count ?? 0)
    let response = try bytes.withUnsafeMutableBytes { buffer in
      var request = HTTPRequest(method: .get, url: server.url)
      request.destination = count == nil ? nil : buffer
      request.collectedLimit = limit
      // A busy machine may be slow to serve what does come.
      request.stallTimeout = steps.contains { $0.contains { if case .stall = $0 { true } else { false } } } ? 1 : 60
      return try CurlTransport().perform(request)
    }
    return (response, bytes)
  }

  private func kind(_ steps: [LocalServer.Step], destination: Int? = nil) -> HTTPFailure.Kind? {
    do {
      _ = try get(steps, destination: destination)
      return nil
    } catch {
      return (error as? HTTPFailure)?.kind
    }
  }

  private static let whole = "HTTP/1.1 200 OK\r\nETag:  \"a\" \r\nContent-Length: 5\r\n\r\nhello"

  @Test func answersAreReadWhole() throws {
    let (response, _) = try get([.send("HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + Self.whole)])
    #expect(response.status == 200 && response.body == Array("hello".utf8) && response.bodyLength == 5)
    #expect(response.header("etag") == "\"a\"" && response.header("x") == nil)
  }

  @Test func successGoesToTheDestinationAndErrorsAreCollected() throws {
    let (response, bytes) = try get([.send(Self.whole)], destination: 5)
    #expect(bytes == Array("hello".utf8) && response.body.isEmpty && response.bodyLength == 5)
    let refused = Self.whole.replacing("200 OK", with: "404 No")
    let (other, untouched) = try get([.send(refused)], destination: 5)
    #expect(other.body == Array("hello".utf8) && untouched == [0, 0, 0, 0, 0])
  }

  @Test func longPagesOfErrorsAreCutOff() throws {
    let refused = Self.whole.replacing("200 OK", with: "404 No")
    #expect(try get([.send(refused)], limit: 4).response.body == Array("hello".utf8))
    let page = String(repeating: "x", count: HTTPRequest.longestError + 1)
    let endless = "HTTP/1.1 503 Busy\r\nContent-Length: 1000000000\r\n\r\n" + page
    let response = try get([.send(endless), .stall], limit: 4).response
    #expect(response.status == 503 && response.body.count == HTTPRequest.longestError)
  }

  @Test func whatIsNotWholeIsNoAnswer() {
    let cut = Self.whole.dropLast(2)
    #expect(kind([.send(String(cut)), .close]) == .interrupted)
    #expect(kind([.send(String(cut)), .close], destination: 5) == .interrupted)
    #expect(kind([.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"), .close]) == .interrupted)
    #expect(kind([.close]) == .interrupted)
    #expect(kind([.send("nonsense\r\n\r\n"), .close]) != nil)
    #expect(kind([.send(String(cut)), .stall]) == .timedOut)
    #expect(kind([.send(Self.whole)], destination: 4) == .tooLarge)
    #expect(throws: HTTPFailure.self) { try get([.send(Self.whole)], limit: 4) }
  }

  @Test func aHostThatIsNotThereIsUnreachable() throws {
    for url in ["http://127.0.0.1:1/", "http://no.such.host.invalid/"] {
      let failure = try #require(throws: HTTPFailure.self) {
        try CurlTransport().perform(HTTPRequest(method: .get, url: url))
      }
      #expect(failure.kind == .unreachable)
    }
    let other = try #require(throws: HTTPFailure.self) {
      try CurlTransport().perform(HTTPRequest(method: .get, url: "file:///etc/passwd"))
    }
    #expect(other.kind == .impossible)
  }

  @Test func requestsAreSentAsTheyAre() throws {
    let server = try LocalServer([[.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]])
    let transport = CurlTransport()
    let body = Array("body".utf8)
    try body.withUnsafeBytes { bytes in
      for method in [HTTPRequest.Method.put, .post, .delete] {
        var request = HTTPRequest(method: method, url: server.url + "?a=b", headers: [("X-A", "1")])
        request.body = method == .delete ? nil : bytes
        #expect(try transport.perform(request).status == 200)
      }
      var empty = HTTPRequest(method: .put, url: server.url)
      empty.body = UnsafeRawBufferPointer(start: nil, count: 0)
      _ = try transport.perform(empty)
      _ = try transport.perform(HTTPRequest(method: .get, url: server.url))
    }
    let requests = server.requests
    #expect(requests.map { $0.prefix { $0 != " " } } == ["PUT", "POST", "DELETE", "PUT", "GET"])
    #expect(requests.allSatisfy { $0.contains("Host: 127.0.0.1:\(server.port)\r\n") && !$0.contains("Expect") })
    #expect(requests[0].hasPrefix("PUT /x?a=b HTTP/1.1\r\n") && requests[0].contains("X-A: 1\r\n"))
    #expect(requests[0].hasSuffix("Content-Length: 4\r\n\r\nbody") && requests[1].hasSuffix("\r\n\r\nbody"))
    #expect(requests[3].contains("Content-Length: 0\r\n"))
    // One connection for all of them.
    #expect(server.connectionCount == 1)
  }

  @Test func aKeptConnectionThatWasClosedIsNoFailure() throws {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    let server = try LocalServer([[.send(answer), .close], [.send(answer)]])
    let transport = CurlTransport()
    for _ in 0..<2 { #expect(try transport.perform(HTTPRequest(method: .get, url: server.url)).body == Array("ok".utf8)) }
    #expect(server.connectionCount == 2)
  }

  @Test func whatIsUnderWayEndsWhenTheTransportIsCancelled() throws {
    let server = try LocalServer([[.stall]])
    let transport = CurlTransport()
    let result = Monitor<HTTPFailure.Kind??>(nil)
    let thread = try SystemThread.start("test") {
      var failure: HTTPFailure.Kind?
      do throws(HTTPFailure) { _ = try transport.perform(HTTPRequest(method: .get, url: server.url)) } catch { failure = error.kind }
      result.change { $0 = .some(failure) }
    }
    while server.requests.isEmpty { usleep(1000) }
    transport.cancel()
    #expect(result.wait { $0 } == .cancelled)
    thread.join()
    let other = #expect(throws: HTTPFailure.self) { try transport.perform(HTTPRequest(method: .get, url: server.url)) }
    #expect(other?.kind == .cancelled && server.requests.count == 1)
  }

  @Test func timesOfHTTPAreRead() {
    #expect(HTTPDate.seconds("Fri, 24 May 2013 00:00:00 GMT") == 1_369_353_600)
    #expect(HTTPDate.seconds("yesterday") == nil)
  }
}
