import AOFCore

/// A run of a log's newest bytes in memory: they are in the WAL, and not yet in a chunk file.
///
/// Bytes below `count` never change. Bytes from `count` to `reserved` belong to the committer, which fills them
/// before it makes them visible. Everything else is guarded by the lock of the log's state.
final class TailBlock: @unchecked Sendable {  // guarded by the `state` of the log
  let memory: UnsafeMutableRawPointer
  let capacity: Int
  /// The LSN of the first byte.
  let start: LSN
  /// Visible bytes.
  var count = 0
  /// INVARIANT: count <= reserved <= capacity.
  var reserved = 0

  init(start: LSN, capacity: Int) {
    self.start = start
    self.capacity = capacity
    memory = .allocate(byteCount: capacity, alignment: 64)
  }

  deinit { memory.deallocate() }

  var end: LSN { start + count }
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }
}

/// The newest bytes of a log: one block that takes appends, and at most one that is on its way to a chunk file.
struct TailBuffer {
  /// Small logs stay small; a busy log gets the full size when it has filled the smaller one.
  static let capacities = [16 << 10, 64 << 10, 256 << 10]

  /// Larger appends go to the chunk file at once: copying them costs more than a system call.
  static let largestBuffered = 64 << 10

  var active: TailBlock?
  var draining: TailBlock?
  /// Whether a thread is writing `draining`.
  var isDraining = false
  private var growth = 0

  /// Whether `count` more bytes can be reserved in the active block.
  func hasRoom(for count: Int) -> Bool {
    guard let active else { return false }
    return active.capacity - active.reserved >= count
  }

  /// Starts a block at `lsn` that has room for `count` bytes.
  mutating func startBlock(at lsn: LSN, for count: Int) {
    var capacity = Self.capacities[growth]
    while capacity < count, growth < Self.capacities.count - 1 {
      growth += 1
      capacity = Self.capacities[growth]
    }
    growth = min(growth + 1, Self.capacities.count - 1)
    active = TailBlock(start: lsn, capacity: capacity)
  }

  /// Moves the active block to where it can be written from; nil when there is nothing visible to write.
  mutating func beginDraining() -> TailBlock? {
    if draining == nil, let block = active, block.count > 0 {
      draining = block
      active = nil
    }
    guard let block = draining else { return nil }
    isDraining = true
    return block
  }

  /// Copies visible bytes from `lsn` on; returns how many, 0 if `lsn` is not in a block.
  func copy(from lsn: LSN, into buffer: UnsafeMutableRawBufferPointer) -> Int {
    var copied = 0
    for block in [draining, active] {
      guard let block, lsn + copied >= block.start, lsn + copied < block.end else { continue }
      let offset = lsn + copied - block.start
      let count = min(buffer.count - copied, block.count - offset)
      guard count > 0, let target = buffer.baseAddress else { break }
      (target + copied).copyMemory(from: block.memory + offset, byteCount: count)
      copied += count
    }
    return copied
  }
}
