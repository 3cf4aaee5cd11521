import AOFCore

/// What a verification of one log found.
package struct LogVerification: Hashable, Sendable {
  package let path: ReportedPath
  package let framesChecked: Int
  package let objectsChecked: Int
  /// One line for each damaged thing.
  package let problems: [String]
  /// Why the log could not be checked to its end; nil if it was.
  package let failure: String?

  package init(
    path: ReportedPath, framesChecked: Int, objectsChecked: Int, problems: [String], failure: String?
  ) {
    self.path = path
    self.framesChecked = framesChecked
    self.objectsChecked = objectsChecked
    self.problems = problems
    self.failure = failure
  }

  package var isGood: Bool { problems.isEmpty && failure == nil }
}

extension LogVerification: Encodable {
  private enum Key: String, CodingKey {
    case path
    case pathBase64 = "path_base64"
    case framesChecked = "frames_checked"
    case objectsChecked = "objects_checked"
    case problems, failure
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(path.text, forKey: .path)
    try values.encodeIfPresent(path.base64, forKey: .pathBase64)
    try values.encode(framesChecked, forKey: .framesChecked)
    try values.encode(objectsChecked, forKey: .objectsChecked)
    try values.encode(problems, forKey: .problems)
    try values.encodeIfPresent(failure, forKey: .failure)
  }
}

/// What a verification found.
package struct VerifyResult: Hashable, Sendable, Encodable {
  /// Whether every log was checked and nothing was damaged.
  package let ok: Bool
  package let logs: [LogVerification]

  package init(logs: [LogVerification]) {
    self.logs = logs
    ok = logs.allSatisfy(\.isGood)
  }

  /// One line for each log, and below it one for each problem.
  package var text: String {
    logs.map { log in
      let name = ControlQuoting.readable(log.path.bytes)
      let counts = "\(log.framesChecked) frames, \(log.objectsChecked) objects checked"
      var lines = ["\(name): \(log.isGood ? "good" : "DAMAGED OR NOT CHECKED"), \(counts)"]
      lines += log.problems.map { "  \($0)" }
      if let failure = log.failure { lines.append("  \(failure)") }
      return lines.joined(separator: "\n") + "\n"
    }.joined()
  }
}
