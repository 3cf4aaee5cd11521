import AOFCore
import Glibc

/// A pipe whose ends are not inherited, unless a spawn hands one on.
package struct Pipe: Sendable {
  package let reader: ByteStream
  package let writer: ByteStream

  package static func open() throws(AofError) -> Pipe {
    var ends: [Int32] = [-1, -1]
    guard pipe2(&ends, O_CLOEXEC) == 0 else { throw .systemCall("pipe2", "", errno: errno) }
    return Pipe(
      reader: ByteStream(name: "pipe", descriptor: ends[0], isOwned: true),
      writer: ByteStream(name: "pipe", descriptor: ends[1], isOwned: true))
  }
}
