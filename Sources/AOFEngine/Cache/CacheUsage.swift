import AOFCore
import AOFSystem
import Synchronization

/// How much of the local disk the chunk files of a store take, beside their quota.
///
/// Counted by the blocks that the files have, so that holes are free.
final class CacheUsage: Sendable {
  fileprivate struct State {
    var limit: Int
    /// The bytes of each log's files that anybody has asked for or changed.
    var bytes: [LogID: Int] = [:]
    var total = 0
    /// Bytes that copies of what the remote holds are about to take.
    var reserved = 0
    /// Called, outside of the lock, when the quota becomes tight.
    var whenTight: (@Sendable () -> Void)?
    var isTight = false

    /// No append is taken from here on. Below the quota, for what was appended and is not in the chunk files yet.
    var appendLimit: Int { limit - limit / 16 }
    /// Eviction begins above the first, and ends below the second.
    var tightMark: Int { limit - limit / 8 }
    var relaxedMark: Int { limit - limit / 4 }
  }

  private let state: Lock<State>
  /// Whether appends must see to room first; they look at it each time.
  private let isFullHint = Atomic(false)

  init(limit: ByteCount) { state = Lock(State(limit: Int(clamping: limit.rawValue))) }

  /// Calls `action` whenever the quota becomes tight, on the thread that made it so.
  func whenTight(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.whenTight = action } }

  /// Bytes on the disk.
  var total: Int { state.withLock { $0.total } }

  var limit: Int { state.withLock { $0.limit } }

  /// How far an eviction goes.
  var relaxedMark: Int { state.withLock { $0.relaxedMark } }

  /// Whether chunks should be evicted.
  var isTight: Bool { state.withLock { $0.isTight } }

  /// Whether appends must see to room first.
  var isFull: Bool { isFullHint.load(ordering: .relaxed) }

  // MARK: Room for copies

  /// Sets room aside for bytes that come back from the remote. False where that would leave appends none.
  func reserve(_ byteCount: Int) -> Bool {
    state.withLock { state in
      guard state.total + state.reserved + byteCount <= state.appendLimit else { return false }
      state.reserved += byteCount
      return true
    }
  }

  /// The bytes were written, and are counted with the files, or will not be.
  func unreserve(_ byteCount: Int) { state.withLock { $0.reserved -= byteCount } }

  /// How far down the files must go for a copy of that size; nil if it has room.
  func target(for byteCount: Int) -> Int? {
    state.withLock { state in
      guard state.total + state.reserved + byteCount > state.appendLimit else { return nil }
      return max(0, min(state.relaxedMark, state.appendLimit - state.reserved - byteCount))
    }
  }

  // MARK: Counting

  func bytes(of log: LogID) -> Int? { state.withLock { $0.bytes[log] } }

  /// The log's files were measured.
  func set(_ bytes: Int, of log: LogID) { change { $0.set(bytes, of: log) } }

  /// The log's files changed by as much.
  func add(_ delta: Int, to log: LogID) {
    guard delta != 0 else { return }
    change { $0.set(max(0, $0.bytes[log, default: 0] + delta), of: log) }
  }

  /// The log has no files any more.
  func forget(_ log: LogID) {
    change { state in
      state.set(0, of: log)
      state.bytes[log] = nil
    }
  }

  private func change(_ body: (inout State) -> Void) {
    let action = state.withLock { state -> (@Sendable () -> Void)? in
      body(&state)
      isFullHint.store(state.total >= state.appendLimit, ordering: .relaxed)
      let wasTight = state.isTight
      state.isTight = state.total > state.tightMark
      return state.isTight && !wasTight ? state.whenTight : nil
    }
    action?()
  }
}

extension CacheUsage.State {
  fileprivate mutating func set(_ bytes: Int, of log: LogID) {
    total += bytes - (self.bytes[log] ?? 0)
    self.bytes[log] = bytes
  }
}
