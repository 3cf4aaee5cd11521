import AOFCore
import AOFSystem

extension NodeID {
  /// Numbers of control nodes have the top bit, which no number of the store reaches.
  static let controlBit: UInt64 = 1 << 63

  package var isControl: Bool { rawValue & NodeID.controlBit != 0 }
}

/// The numbers of control nodes, kept for as long as the kernel knows them.
///
/// Command files and the events get a new number for each look-up: two opens of one inode share its lock in the kernel,
/// and a second command would wait behind one that is running.
final class ControlNodeTable: Sendable {
  private struct Known {
    let node: ControlNode
    /// How often the number was given to the kernel and not taken back.
    var lookups: UInt64
  }

  private struct State {
    var known: [NodeID: Known] = [:]
    var numbers: [ControlNode: NodeID] = [:]
    var next: UInt64 = 1
  }

  private let state = Lock(State())

  /// The number to give to the kernel for a look-up of `node`. The kernel owes a ``forget(_:count:)`` for it.
  func lookUp(_ node: ControlNode) -> NodeID {
    state.withLock { state in
      if let id = state.numbers[node] {
        state.known[id]?.lookups += 1
        return id
      }
      let id = NodeID(rawValue: NodeID.controlBit | state.next)
      state.next += 1
      state.known[id] = Known(node: node, lookups: 1)
      if !node.isLookedUpAnew { state.numbers[node] = id }
      return id
    }
  }

  func node(_ id: NodeID) -> ControlNode? { state.withLock { $0.known[id]?.node } }

  func forget(_ id: NodeID, count: UInt64) {
    state.withLock { state in
      guard var known = state.known[id] else { return }
      known.lookups -= min(known.lookups, count)
      guard known.lookups == 0 else {
        state.known[id] = known
        return
      }
      state.known[id] = nil
      if state.numbers[known.node] == id { state.numbers[known.node] = nil }
    }
  }

  /// How many numbers the kernel holds.
  var count: Int { state.withLock { $0.known.count } }
}
