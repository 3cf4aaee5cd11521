import AOFCore

/// The checksum of one frame of a log: a cell of the grid of ``Limits/frameSize``, or the part of it that
/// one extent holds.
public struct FrameRecord: Hashable, Sendable {
  /// Bytes of log, 1 to ``Limits/frameSize``.
  public var length: UInt32
  /// CRC32C of these bytes.
  public var checksum: UInt32
  /// When the first append in the frame was made.
  public var time: UnixTime

  package init(length: UInt32, checksum: UInt32, time: UnixTime) {
    self.length = length
    self.checksum = checksum
    self.time = time
  }
}

/// Frames of a run of a log, as the manifest stores them. Layout: docs/format/manifest.md, "Frame table".
package enum FrameTable {
  private static let version: UInt8 = 1
  private static let headerSize = 4
  private static let entrySize = 16

  package static func encode(_ frames: some Collection<FrameRecord>) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: headerSize + frames.count * entrySize)
    bytes.withUnsafeMutableBytes { buffer in
      buffer[0] = version
      for (index, frame) in frames.enumerated() {
        let entry = headerSize + index * entrySize
        buffer.store(frame.length, at: entry)
        buffer.store(frame.checksum, at: entry + 4)
        buffer.store(frame.time.rawValue, at: entry + 8)
      }
    }
    return bytes
  }

  /// The frames of a run that starts at `start`: their lengths follow the grid and add up to `byteCount`.
  /// - Throws: `corrupt`, `newerVersion`.
  package static func decode(_ bytes: [UInt8], start: LSN, byteCount: Int) throws(AofError) -> [FrameRecord] {
    guard let first = bytes.first, bytes.count >= headerSize, (bytes.count - headerSize) % entrySize == 0 else {
      throw AofError(.corrupt, "a frame table of \(bytes.count) bytes is not possible")
    }
    guard first == version else {
      throw AofError(
        first > version ? .newerVersion : .corrupt, "a frame table has version \(first), not \(version)")
    }
    guard bytes[1..<headerSize].allSatisfy({ $0 == 0 }) else {
      throw AofError(.corrupt, "the reserved bytes of a frame table are not 0")
    }
    var frames: [FrameRecord] = []
    frames.reserveCapacity((bytes.count - headerSize) / entrySize)
    bytes.withUnsafeBytes { buffer in
      for entry in stride(from: headerSize, to: buffer.count, by: entrySize) {
        frames.append(
          FrameRecord(
            length: buffer.number(at: entry), checksum: buffer.number(at: entry + 4),
            time: UnixTime(rawValue: buffer.number(at: entry + 8))))
      }
    }
    guard fits(frames, start: start, byteCount: byteCount) else {
      throw AofError(.corrupt, "a frame table does not fit the \(byteCount) bytes from LSN \(start)")
    }
    return frames
  }

  private static func fits(_ frames: [FrameRecord], start: LSN, byteCount: Int) -> Bool {
    var remaining = byteCount
    var offset = Int(start.rawValue % UInt64(Limits.frameSize))
    for frame in frames {
      guard Int(frame.length) == min(remaining, Limits.frameSize - offset), frame.length > 0 else { return false }
      remaining -= Int(frame.length)
      offset = 0
    }
    return remaining == 0
  }
}
