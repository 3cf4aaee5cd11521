import AOFCore
import AOFSystem
import Synchronization

/// How much of the local disk the chunk files of a store take, beside their quota.
///
/// Counted by the blocks that the files have, so that holes are free.
/// Each file's blocks are remembered, whether it is open or not: a filesystem may give to a file more than was written, and
/// take that back when the file is closed, or later, and tells nobody.
final class CacheUsage: Sendable {
  /// A look at a file's blocks. Of two looks the one that began later saw all that the other saw.
  struct Look {
    fileprivate let number: UInt64
  }

  /// What is known of a log's files.
  fileprivate struct Files {
    /// INVARIANT: the sum of `chunks`.
    var bytes = 0
    /// Those that take any, and while the log is measured those that took some.
    var chunks: [ChunkID: (bytes: Int, look: UInt64)] = [:]
    /// The first that may have a file.
    var first = ChunkID(rawValue: 0)
    /// Threads that measure the log.
    var measuring = 0
    /// Whether all files were looked at.
    var isMeasured = false
  }

  fileprivate struct State {
    var limit: Int
    var logs: [LogID: Files] = [:]
    /// INVARIANT: the sum of what the logs' files take.
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
  private let looks = Atomic<UInt64>(0)
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

  /// From now on the log's files count.
  func add(_ log: LogID) { state.withLock { $0.logs[log] = $0.logs[log] ?? Files() } }

  /// The log has no files any more; what was seen of them does not count.
  func forget(_ log: LogID) {
    change { state in
      guard let files = state.logs.removeValue(forKey: log) else { return }
      state.total -= files.bytes
    }
  }

  /// The file of the chunk is gone, as are those before it; what was seen of them does not count.
  func forget(_ chunk: ChunkID, of log: LogID) {
    change { state in
      state.set(0, in: chunk, of: log, .max)
      state.logs[log]?.chunks[chunk] = nil
      state.logs[log]?.first = ChunkID(rawValue: chunk.rawValue + 1)
    }
  }

  /// To be called before a file's blocks are asked for.
  func beginLook() -> Look { Look(number: looks.wrappingAdd(1, ordering: .relaxed).newValue) }

  /// What a look saw the chunk's file take.
  func note(_ bytes: Int, in chunk: ChunkID, of log: LogID, _ look: Look) {
    change { $0.set(bytes, in: chunk, of: log, look.number) }
  }

  /// The bytes of the log's files; nil as long as it was not measured.
  func bytes(of log: LogID) -> Int? {
    state.withLock { state in state.logs[log].flatMap { $0.isMeasured ? $0.bytes : nil } }
  }

  /// A thread begins to look at all files of a log.
  func beginMeasuring(_ log: LogID) { state.withLock { $0.logs[log]?.measuring += 1 } }

  /// `isComplete`: all of them were looked at. - Returns: the bytes that are known of.
  @discardableResult
  func endMeasuring(_ log: LogID, isComplete: Bool) -> Int {
    state.withLock { state in
      guard var files = state.logs.removeValue(forKey: log) else { return 0 }
      defer { state.logs[log] = files }
      files.measuring = max(0, files.measuring - 1)
      if isComplete { files.isMeasured = true }
      if files.measuring == 0 { files.chunks = files.chunks.filter { $0.value.bytes > 0 } }
      return files.bytes
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
  fileprivate mutating func set(_ bytes: Int, in chunk: ChunkID, of log: LogID, _ look: UInt64) {
    total += logs[log]?.set(bytes, in: chunk, look) ?? 0
  }
}

extension CacheUsage.Files {
  /// - Returns: by how much the log's files grew.
  fileprivate mutating func set(_ bytes: Int, in chunk: ChunkID, _ look: UInt64) -> Int {
    guard chunk >= first else { return 0 }
    let known = chunks[chunk] ?? (0, 0)
    guard look > known.look else { return 0 }
    // Who measures must not take what it saw earlier for news.
    chunks[chunk] = bytes == 0 && measuring == 0 ? nil : (bytes, look)
    self.bytes += bytes - known.bytes
    return bytes - known.bytes
  }
}
