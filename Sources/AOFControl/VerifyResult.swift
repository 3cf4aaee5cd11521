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
  /// Whether everything was checked and nothing was damaged.
  package let ok: Bool
  package let logs: [LogVerification]
  /// One line for each damaged thing that is no single log's.
  package let problems: [String]
  /// What is no damage and worth knowing.
  package let notes: [String]
  /// What a repair changed.
  package let repaired: [String]
  /// What a repair left as it is, and why.
  package let left: [String]

  package init(
    logs: [LogVerification], problems: [String] = [], notes: [String] = [], repaired: [String] = [],
    left: [String] = []
  ) {
    self.logs = logs
    self.problems = problems
    self.notes = notes
    self.repaired = repaired
    self.left = left
    ok = logs.allSatisfy(\.isGood) && problems.isEmpty
  }

  /// One line for each log, and below it one for each problem; before them what is no single log's.
  package var text: String {
    let store = [("DAMAGED", problems), ("note", notes), ("repaired", repaired), ("left", left)]
    return store.flatMap { label, lines in lines.map { "\(label): \($0)\n" } }.joined() + logText
  }

  private var logText: String {
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
