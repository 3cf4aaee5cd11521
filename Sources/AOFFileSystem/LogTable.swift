import AOFCore
import AOFEngine
import AOFSystem

/// What the file system keeps of each log that was opened or looked at. It stays past the last handle, as what the kernel
/// knows does, until the log is purged.
final class LogTable<Value: Sendable>: Sendable {
  private let values = Lock<[LogID: Value]>([:])

  /// What is kept of a log; `new` begins it.
  func value(of id: LogID, _ new: () -> Value) -> Value {
    values.withLock { values in
      if let known = values[id] { return known }
      let value = new()
      values[id] = value
      return value
    }
  }

  subscript(id: LogID) -> Value? { values.withLock { $0[id] } }

  /// The log is gone, and nobody has it open.
  func forget(_ id: LogID) { values.withLock { $0[id] = nil } }
}

extension FileSystem {
  func coherence(of id: LogID) -> LogCoherence {
    coherences.value(of: id) { LogCoherence(pageSize: UInt64(options.pageSize)) }
  }

  /// Nil unless the page cache gathers writes.
  func writeback(of log: Aof) -> LogWriteback? {
    guard options.gathersWrites else { return nil }
    return writebacks.value(of: log.id) { LogWriteback(log, cache: options.kernelCache, observation: manager.observation, arrivals: arrivals) }
  }
}
