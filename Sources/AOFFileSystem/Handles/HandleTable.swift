import AOFCore
import AOFSystem
import Glibc

/// The number of an open file or directory, as the kernel keeps it.
package struct HandleID: RawRepresentable, Hashable, Sendable {
  package let rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Open handles by number: a slot, and how often the slot was used, so that a number never comes twice.
final class HandleTable<Handle: Sendable>: Sendable {
  private struct Slot {
    var uses: UInt32 = 0
    var handle: Handle?
  }

  private struct State {
    var slots: [Slot] = []
    var free: [Int] = []
  }

  private let state = Lock(State())

  func insert(_ handle: Handle) -> HandleID {
    state.withLock { state in
      let index: Int
      if let free = state.free.popLast() {
        index = free
      } else {
        index = state.slots.count
        state.slots.append(Slot())
      }
      state.slots[index].handle = handle
      return HandleID(rawValue: UInt64(state.slots[index].uses) << 32 | UInt64(index))
    }
  }

  /// - Throws: EBADF for a number that is not open.
  func handle(_ id: HandleID) throws(AofError) -> Handle {
    guard let handle = state.withLock({ state in Self.index(of: id, in: state).flatMap { state.slots[$0].handle } })
    else { throw AofError(.system(errno: EBADF), "handle \(id.rawValue) is not open") }
    return handle
  }

  @discardableResult
  func remove(_ id: HandleID) -> Handle? {
    state.withLock { state in
      guard let index = Self.index(of: id, in: state), let handle = state.slots[index].handle else { return nil }
      state.slots[index].handle = nil
      state.slots[index].uses &+= 1
      state.free.append(index)
      return handle
    }
  }

  var count: Int { state.withLock { $0.slots.count - $0.free.count } }

  private static func index(of id: HandleID, in state: State) -> Int? {
    let index = Int(id.rawValue & 0xffff_ffff)
    guard index < state.slots.count, state.slots[index].uses == UInt32(id.rawValue >> 32) else { return nil }
    return index
  }
}
