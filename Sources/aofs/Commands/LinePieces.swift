import AOFCore
import AOFSystem

/// Cuts a stream into pieces that end with a line where they can.
struct LinePieces {
  private var pending: [UInt8] = []
  private let size: Int

  /// - Parameter size: the most bytes of a piece; a longer line is cut.
  init(size: Int) { self.size = size }

  /// Reads to the end of the input; returns the bytes handed on.
  mutating func copy(
    from input: ByteStream, to piece: (UnsafeRawBufferPointer) throws(AofError) -> Void
  ) throws(AofError) -> Int {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
    defer { buffer.deallocate() }
    var total = 0
    while true {
      let room = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(size - pending.count)])
      let count = try input.read(into: room)
      let isAtEnd = count == 0
      for ready in add(room[..<count], isAtEnd: isAtEnd) {
        try ready.span.withUnsafeBytes { bytes throws(AofError) in try piece(bytes) }
        total += ready.count
      }
      if isAtEnd { return total }
    }
  }

  /// Takes bytes in, at most `size` less what is pending; returns what may be appended now.
  mutating func add(_ bytes: some Collection<UInt8>, isAtEnd: Bool) -> [[UInt8]] {
    pending += bytes
    if isAtEnd || (pending.count >= size && !pending.contains(UInt8(ascii: "\n"))) {
      defer { pending = [] }
      return pending.isEmpty ? [] : [pending]
    }
    guard let last = pending.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
    let ready = Array(pending[...last])
    pending.removeFirst(ready.count)
    return [ready]
  }
}
