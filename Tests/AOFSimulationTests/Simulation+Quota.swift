import AOFCore
import AOFEngine
import AOFSystem

/// A local disk that is not to hold all.
extension Simulation {
  /// As ``attempt(_:_:)``, of what the quota may refuse: an append if what the remote lacks takes about all of it, and bytes
  /// that are to come back if they do not fit beside that.
  func attemptWithinQuota(_ what: String, needing byteCount: Int = 0, _ body: () throws -> Void) throws -> Bool {
    guard let quota = script.quota else { return try attempt(what, body) }
    // The second time with what the background frees.
    for isLast in [false, true] {
      var isRefused = false
      let isDone = try attempt(what) {
        do {
          try body()
        } catch let error as AofError where error.code == .quotaExceeded || (error.code == .noSpace && byteCount > 0) {
          isRefused = true
        }
      }
      guard isRefused, machine.end == nil else { return isDone }
      machine.trace.add("  \(what) refused: the quota is full")
      if isLast { break }
      while machine.queues[.maintenance]?.runNext() == true {}
    }
    let needed = logs.reduce(byteCount) { $0 + $1.unpublished + ($1.head > 0 ? Limits.frameSize : 0) }
    try require(
      needed > quota / 4 * 3 || machine.localFailures > 0 || machine.end != nil,
      "\(what) was refused for a quota of \(quota), and \(needed) bytes need it")
    return false
  }

  /// The files of logs take no more than the quota allows, and what was let in at once.
  func checkQuota() throws {
    guard let quota = script.quota, machine.end == nil else { return }
    let taken = disk.names.reduce(0) { sum, name in
      guard name.key.hasSuffix(".chunk"), case .file(let image) = name.value else { return sum }
      return sum + image.allocatedSize
    }
    try require(taken <= quota + Self.letIn, "chunk files take \(taken) bytes of a quota of \(quota)")
  }

  /// More than any append has, in bytes.
  private static let letIn = 450_000
}
