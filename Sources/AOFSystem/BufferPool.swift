import AOFCore
import Glibc

/// Memory for large buffers that live shortly, straight from the kernel. What malloc is given back it keeps, in an arena
/// for each thread, so that many threads with large buffers would hold many times what is in use.
package final class BufferPool: Sendable {
  private struct State {
    /// Buffers that nobody uses, for the next who want some of their size.
    var idle: [UnsafeMutableRawBufferPointer] = []
    var idleBytes = 0
  }

  private let state = Lock(State())
  private let limit: Int
  private static let unit = 64 << 10

  /// - Parameter limit: bytes that are kept although nobody uses them.
  package init(keeping limit: Int) { self.limit = limit }

  deinit { for buffer in state.withLock({ $0.idle }) { Self.free(buffer) } }

  /// A buffer of at least `count` bytes, whose contents mean nothing. - Throws: `system(ENOMEM)`.
  package func take(_ count: Int) throws(AofError) -> UnsafeMutableRawBufferPointer {
    let size = (max(count, 1) + Self.unit - 1) / Self.unit * Self.unit
    let known = state.withLock { state -> UnsafeMutableRawBufferPointer? in
      // Not one that is much larger: what is in use is counted by what was asked for.
      guard let index = state.idle.lastIndex(where: { $0.count >= size && $0.count <= size + size / 4 }) else { return nil }
      state.idleBytes -= state.idle[index].count
      return state.idle.remove(at: index)
    }
    if let known { return known }
    let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let memory, memory != MAP_FAILED else { throw .systemCall("mmap", "\(size) bytes", errno: errno) }
    return UnsafeMutableRawBufferPointer(start: memory, count: size)
  }

  /// Takes a buffer back that ``take(_:)`` gave.
  package func giveBack(_ buffer: UnsafeMutableRawBufferPointer) {
    let isKept = state.withLock { state in
      guard state.idleBytes + buffer.count <= limit else { return false }
      state.idle.append(buffer)
      state.idleBytes += buffer.count
      return true
    }
    if !isKept { Self.free(buffer) }
  }

  private static func free(_ buffer: UnsafeMutableRawBufferPointer) { munmap(buffer.baseAddress, buffer.count) }
}
