import AOFCore
import AOFEngine

/// Whether a log holds given bytes.
enum Comparison: Equatable {
  case same
  case different
  /// These must be fetched first.
  case cold(Range<LSN>)
}

extension Aof {
  /// Compares `bytes` with those of the log from `lsn` on, without waiting for the remote. What lies below the head is gone,
  /// and different from anything.
  func compare(_ bytes: UnsafeRawBufferPointer, at lsn: LSN) throws(AofError) -> Comparison {
    guard !bytes.isEmpty else { return .same }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(bytes.count, Limits.frameSize), alignment: 16)
    defer { buffer.deallocate() }
    var compared = 0
    while compared < bytes.count {
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(bytes.count - compared, buffer.count)])
      var cursor = cursor(at: lsn + compared)
      do throws(AofError) {
        guard case .read(let count) = try cursor.readResident(into: part) else {
          return .cold((lsn + compared)..<(lsn + compared + part.count))
        }
        let theirs = bytes[compared..<compared + count]
        guard count == part.count, theirs.elementsEqual(part) else { return .different }
      } catch where error.code == .belowHead || error.code == .cutOff {
        return .different
      }
      compared += part.count
    }
    return .same
  }
}
