import AOFCore

/// Where the generations of a log began since the store was opened: tells whoever stood in an old one whether its bytes
/// are still the log's.
struct GenerationCuts {
  /// INVARIANT: in the order of the generations, and of the LSNs: a cut further down makes one above it void.
  private var cuts: [(lsn: LSN, generation: Generation)] = []

  /// A generation began at `lsn`.
  mutating func add(_ lsn: LSN, beginning generation: Generation) {
    cuts.removeAll { $0.lsn >= lsn }
    cuts.append((lsn, generation))
  }

  /// The lowest LSN at which the log was cut since `generation`; nil if it was not.
  func lowest(since generation: Generation) -> LSN? { cuts.first { $0.generation > generation }?.lsn }
}
