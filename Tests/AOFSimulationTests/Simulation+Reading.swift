import AOFCore
import AOFEngine
import AOFSystem

/// Reading logs, and comparing what comes with the model.
extension Simulation {
  func readSomewhere(_ model: LogModel) throws {
    let start = machine.chance.below(model.acknowledged + 1)
    try read(model, from: start, count: machine.chance.below(300_000))
  }

  /// What the last appends left.
  func readEnd(_ model: LogModel) throws {
    let start = max(model.head, model.acknowledged - machine.chance.below(50_000))
    try read(model, from: start, count: model.acknowledged - start + 100)
  }

  /// Everything, and every object of the remote. What is wrong on the local disk is fetched again by that, so that
  /// nothing wrong is found afterwards.
  func readEverything(_ model: LogModel) throws {
    try read(model, from: model.head, count: model.acknowledged - model.head + 100)
    guard machine.localFailures == 0, let log = try log(model) else { return }
    let remoteFailures = machine.remoteFailures
    var problems: [String] = []
    let isDone = try attempt("verification") { problems = try log.verify(remote: true).problems }
    if isDone, machine.remoteFailures == remoteFailures {
      try require(problems.isEmpty, "log \(model.name) is damaged: \(problems)")
    }
  }

  private func read(_ model: LogModel, from start: Int, count: Int) throws {
    guard let log = try log(model) else { return }
    machine.trace.add("  read \(model.name) from \(start), \(count) bytes")
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    defer { buffer.deallocate() }
    var found = 0
    var isRefused = false
    let isDone = try attempt("reading") {
      do {
        var cursor = try log.openCursor(at: LSN(rawValue: UInt64(start)))
        found = try cursor.read(into: buffer)
      } catch let error as AofError where error.code == .belowHead && start < model.head {
        isRefused = true
      }
    }
    if isRefused { return }
    guard isDone else { return }
    try require(
      start >= model.head, "log \(model.name): a read from \(start), below the head \(model.head), brought \(found) bytes")
    let expected = min(count, model.acknowledged - start)
    try require(found == expected, "log \(model.name): a read from \(start) brought \(found) bytes, not \(expected)")
    try require(
      model.holds(UnsafeRawBufferPointer(rebasing: buffer[..<found]), at: start),
      "log \(model.name): a read of \(found) bytes from \(start) brought wrong bytes")
  }
}
