import AOFCore

/// The numbers of docs/format/wal.md.
package enum WALFormat {
  package static let version: UInt16 = 1
  /// "AOFSWAL\n", little-endian.
  package static let segmentMagic: UInt64 = 0x0A4C_4157_5346_4F41
  /// "AOFf", little-endian.
  package static let frameMagic: UInt32 = 0x6646_4F41
  /// Frames begin at this offset of a segment, in bytes.
  package static let segmentHeaderSize = 4096
  /// The used part of a segment's header.
  package static let segmentHeaderLength = 80
  package static let frameHeaderSize = 64
  /// Frames begin at multiples of this, in bytes.
  package static let frameAlignment = 64

  /// The bytes that a frame with this payload takes, its padding included.
  package static func frameSize(payload: Int) -> Int {
    frameHeaderSize + (payload + frameAlignment - 1) & ~(frameAlignment - 1)
  }

  /// The largest payload that fits an empty segment of `size` bytes.
  package static func largestPayload(segmentSize size: Int) -> Int {
    size - segmentHeaderSize - frameHeaderSize
  }
}
