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

  /// The bytes that a frame takes when `body` bytes follow its header, its padding included.
  package static func frameSize(body: Int) -> Int {
    frameHeaderSize + (body + frameAlignment - 1) & ~(frameAlignment - 1)
  }

  /// Into how many pieces the grid of ``Limits/frameSize`` cuts an indirect payload.
  package static func pieces(of range: Range<LSN>) -> Int {
    guard !range.isEmpty else { return 0 }
    let grid = UInt64(Limits.frameSize)
    return Int((range.upperBound.rawValue - 1) / grid - range.lowerBound.rawValue / grid) + 1
  }

  /// The first of these pieces.
  package static func firstPiece(of range: Range<LSN>) -> Range<LSN> {
    let grid = UInt64(Limits.frameSize)
    let room = grid - range.lowerBound.rawValue % grid
    return range.lowerBound..<min(range.upperBound, range.lowerBound + Int(room))
  }
}
