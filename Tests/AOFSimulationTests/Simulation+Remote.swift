import AOFCore
import AOFEngine
import AOFFormat
import AOFRemote

/// What the remote holds, beside what its chain of manifests says that it does.
extension Simulation {
  /// No object that the chain names is missing.
  func checkNamedObjects() throws {
    for key in try namedObjects() {
      try require(remote.peek(key) != nil, "the remote's manifest names \(key), and there is no such object")
    }
  }

  /// Once their grace has passed, and a sweep has looked for them, no objects are left that the chain does not name, and
  /// none are missing.
  func checkTidiness() throws {
    guard let manager else { return }
    // What is found is noted by the first checkpoint, and deleted by the second one.
    for _ in 0..<2 {
      setClock(2 * 86_400_000_000_000)
      machine.trace.add("  checkpoint of all, days later")
      guard try attempt("checkpoint of all", { try manager.checkpoint() }) else { return }
      try forgetPurged()
    }
    try checkNamedObjects()
    let named = Set(try namedObjects())
    for key in remote.keys where key.hasPrefix(ObjectKey.root + "/") {
      try require(named.contains(key), "nothing names \(key), and it is still in the remote")
    }
  }

  private func namedObjects() throws -> [String] {
    guard let storeID = manager?.settings.storeID else { return [] }
    var state = RemoteManifestState()
    var sequence: UInt64 = 1
    while let bytes = remote.peek(RemoteManifestRecord.key(sequence: sequence)) {
      try state.apply(RemoteManifestRecord(decoding: bytes, storeID: storeID, sequence: sequence))
      sequence += 1
    }
    try require(state.problems.isEmpty, "the remote's manifest makes no sense: \(state.problems)")
    return state.logs.keys.flatMap { state.extents(of: $0).map(\.key.text) }
  }
}
