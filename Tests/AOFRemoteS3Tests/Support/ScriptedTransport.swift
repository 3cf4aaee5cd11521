import AOFSystem

@testable import AOFRemoteS3

/// Answers from a script, and remembers what was asked.
final class ScriptedTransport: HTTPTransport {
  struct Asked: Sendable {
    let method: HTTPRequest.Method
    let url: String
    let headers: [String: String]
    let body: [UInt8]
    let onFreshConnection: Bool

    /// What comes after the host.
    var path: String { "/" + url.split(separator: "/", maxSplits: 2).dropFirst(2).joined(separator: "/") }
  }

  typealias Answer = Result<HTTPResponse, HTTPFailure>
  typealias Step = @Sendable (Asked) -> Answer

  private struct State {
    var steps: [Step]
    var asked: [Asked] = []
    var isCancelled = false
  }

  private let state: Lock<State>
  private let otherwise: Step?

  /// - Parameters:
  ///   - steps: for each request the next one.
  ///   - otherwise: for all requests after the steps.
  init(_ steps: [Step], otherwise: Step? = nil) {
    state = Lock(State(steps: steps))
    self.otherwise = otherwise
  }

  convenience init(_ answers: Answer...) { self.init(answers: answers) }

  convenience init(answers: [Answer]) {
    var steps: [Step] = []
    for answer in answers { steps.append({ _ in answer }) }
    self.init(steps)
  }

  var asked: [Asked] { state.withLock { $0.asked } }
  var stepsLeft: Int { state.withLock { $0.steps.count } }

  var isCancelled: Bool { state.withLock { $0.isCancelled } }
  func cancel() { state.withLock { $0.isCancelled = true } }

  func perform(_ request: HTTPRequest) throws(HTTPFailure) -> HTTPResponse {
    let asked = Asked(
      method: request.method, url: request.url,
      headers: Dictionary(request.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { $1 }),
      body: request.body.map(Array.init) ?? [], onFreshConnection: request.onFreshConnection)
    let step: Step? = state.withLock { state in
      state.asked.append(asked)
      return state.steps.isEmpty ? otherwise : state.steps.removeFirst()
    }
    guard let step else { throw HTTPFailure(kind: .impossible, message: "the script has no more answers") }
    var response = try step(asked).get()
    if response.isSuccess, let destination = request.destination {
      guard response.body.count <= destination.count else { throw HTTPFailure(kind: .tooLarge, message: "too large") }
      response.body.withUnsafeBytes { destination.copyMemory(from: $0) }
      response.body = []
    }
    return response
  }
}

/// An answer.
func answer(_ status: Int, _ body: String = "", _ headers: [String: String] = [:]) -> ScriptedTransport.Answer {
  let bytes = Array(body.utf8)
  return .success(
    HTTPResponse(
      status: status, headers: headers.map { ($0.key, $0.value) }, body: bytes, bodyLength: bytes.count))
}

/// An error as S3 words it.
func refusal(_ status: Int, _ code: String, _ headers: [String: String] = [:], more: String = "")
  -> ScriptedTransport.Answer
{
  answer(
    status, "<?xml version=\"1.0\"?><Error><Code>\(code)</Code><Message>said so</Message>\(more)</Error>",
    ["x-amz-request-id": "REQ7"].merging(headers) { $1 })
}

func noAnswer(_ kind: HTTPFailure.Kind) -> ScriptedTransport.Answer {
  .failure(HTTPFailure(kind: kind, message: "scripted"))
}
