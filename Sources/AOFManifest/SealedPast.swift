import AOFCore

/// How far the logs of a store were sealed at one moment, such as that of its opening.
package struct SealedPast: Sendable {
  /// What is known of one log.
  package struct Log: Sendable {
    package let generation: Generation
    package let head: LSN
    let sealed: LSN
    /// Whether the remote was told of it.
    package let isPublished: Bool
  }

  fileprivate let nextNode: UInt64
  package internal(set) var logs: [LogID: Log] = [:]

  init(nextNode: UInt64) { self.nextNode = nextNode }

  /// Whether a log had been sealed up to `lsn` in that generation by then, or was cut or purged after it had.
  package func reaches(_ log: LogID, _ generation: Generation, _ lsn: LSN) -> Bool {
    guard let known = logs[log] else { return log.rawValue < nextNode }
    return known.generation > generation || (known.generation == generation && known.sealed >= lsn)
  }
}
