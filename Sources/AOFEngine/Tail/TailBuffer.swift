import AOFCore

/// A run of a log's newest bytes in memory: they are in the WAL, and not yet in a chunk file.
///
/// Bytes below `count` never change. Bytes from `count` to `reserved` belong to the committer, which fills them
/// before it makes them visible. Everything else is guarded by the lock of the log's state.
final class TailBlock: @unchecked Sendable {  // guarded by the `state` of the log
  let memory: UnsafeMutableRawPointer
  let capacity: Int
  /// The LSN of the first byte.
  private(set) var start: LSN
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

  /// Forgets what it holds, which is in the chunk file.
  func restart(at lsn: LSN) {
    start = lsn
    count = 0
    reserved = 0
  }

  var end: LSN { start + count }
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }
}

/// The newest bytes of a log: one block that takes appends, and at most one that is on its way to a chunk file.
struct TailBuffer {
  /// Small logs stay small, since a store may have many; a busy log gets the full size when it has filled the smaller ones.
  private static let capacities = [256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10]
  /// A smaller block that is full is copied into a larger one: it is not worth a write to a chunk file.
  private static let smallestDrained = 4 << 10

  private(set) var active: TailBlock?
  private(set) var draining: TailBlock?
  /// Whether a thread is writing `draining`.
  private(set) var isDraining = false
  private var growth = 0
  /// A block that was drained, for the next one: a busy log asks for no memory.
  private var spare: TailBlock?

  /// Whether bytes are reserved that are not visible yet.
  var hasReservations: Bool { active.map { $0.reserved != $0.count } ?? false }

  /// Whether `count` more bytes can be reserved in the active block.
  private func hasRoom(for count: Int) -> Bool {
    guard let active else { return false }
    return active.capacity - active.reserved >= count
  }

  enum Room {
    /// Reserved, at this offset of the block.
    case reserved(TailBlock, offset: Int)
    /// Only once what is reserved is visible.
    case afterPublishing
    /// Only once the block that drains is written.
    case afterDraining
  }

  /// Reserves `count` bytes, which go to `lsn`. A block that is full is set aside to be drained.
  mutating func reserve(_ count: Int, at lsn: LSN) -> Room {
    if let active, !hasRoom(for: count) {
      if hasReservations { return .afterPublishing }
      if active.capacity < Self.smallestDrained {
        self.active = enlarged(active, by: count)
      } else if draining != nil {
        return .afterDraining
      } else {
        draining = active
        self.active = nil
      }
    }
    let block = active ?? startBlock(at: lsn, for: count)
    active = block
    defer { block.reserved += count }
    return .reserved(block, offset: block.reserved)
  }

  /// A block with the same bytes and room for `count` more.
  private mutating func enlarged(_ block: TailBlock, by count: Int) -> TailBlock {
    let larger = startBlock(at: block.start, for: block.count + count)
    larger.memory.copyMemory(from: block.memory, byteCount: block.count)
    larger.count = block.count
    larger.reserved = block.count
    return larger
  }

  /// Takes back what is reserved and not visible.
  mutating func cancelReservations() {
    guard let block = active else { return }
    block.reserved = block.count
    if block.count == 0 { active = nil }
  }

  /// A block at `lsn` that has room for `count` bytes.
  private mutating func startBlock(at lsn: LSN, for count: Int) -> TailBlock {
    while Self.capacities[growth] < count, growth < Self.capacities.count - 1 { growth += 1 }
    let capacity = Self.capacities[growth]
    growth = min(growth + 1, Self.capacities.count - 1)
    if let spare, spare.capacity >= capacity, spare.capacity >= count {
      self.spare = nil
      spare.restart(at: lsn)
      return spare
    }
    return TailBlock(start: lsn, capacity: max(capacity, count))
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

  /// - Parameter isDone: whether the block is in the chunk file; else it is kept.
  mutating func endDraining(isDone: Bool) {
    isDraining = false
    guard isDone, let block = draining else { return }
    draining = nil
    // An idle log keeps no memory.
    spare = active == nil ? nil : block
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
