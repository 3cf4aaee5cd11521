import AOFCore
import AOFFormat
import AOFSystem

/// Reads the frames of one WAL segment, in order, from memory.
package struct SegmentScanner {
  package let header: WALSegmentHeader
  private let bytes: UnsafeRawBufferPointer
  /// Where the next frame is looked for.
  package private(set) var position: WalPosition

  package struct Frame {
    package let header: WALFrameHeader
    package let position: WalPosition
    /// What follows the header: the payload, or the checksums of its pieces.
    package let body: UnsafeRawBufferPointer
    /// Where the frame ends, its padding included.
    package let end: WalPosition
  }

  /// `bytes`: the whole segment file.
  package init(header: WALSegmentHeader, bytes: UnsafeRawBufferPointer) {
    self.header = header
    self.bytes = bytes
    position = header.base
  }

  /// Where the segment's file ends, as a position.
  var end: WalPosition { header.base + max(0, bytes.count - WALFormat.segmentHeaderSize) }

  /// The frame at ``position``, which moves past it; nil if no sound frame is there.
  package mutating func next() -> Frame? {
    guard let frame = frame(at: position) else { return nil }
    position = frame.end
    return frame
  }

  /// Moves to the next sound frame after ``position``, whatever lies between; false if there is none.
  package mutating func skipToNextFrame() -> Bool {
    // Most of what is passed over is zeros: the magic number is looked for before anything else.
    var offset = offset(of: position) + WALFormat.frameAlignment
    while offset + WALFormat.frameHeaderSize <= bytes.count {
      if bytes.number(at: offset) == WALFormat.frameMagic {
        let candidate = header.base + (offset - WALFormat.segmentHeaderSize)
        if frame(at: candidate) != nil {
          position = candidate
          return true
        }
      }
      offset += WALFormat.frameAlignment
    }
    return false
  }

  /// Whether a frame of this life of the segment was begun at ``position``: its header is there, its body not.
  /// Other bytes say nothing: they may be an earlier life's.
  var hasTornFrame: Bool {
    let offset = offset(of: position)
    guard offset + WALFormat.frameHeaderSize <= bytes.count else { return false }
    return WALFrameHeader(
      decoding: UnsafeRawBufferPointer(rebasing: bytes[offset...]), nonce: header.nonce) != nil
  }

  private func offset(of position: WalPosition) -> Int { WALFormat.segmentHeaderSize + (position - header.base) }

  /// The frame header at ``position``, if that is sound, whatever became of its body.
  var frameHeader: WALFrameHeader? { frameHeader(atOffset: offset(of: position)) }

  private func frameHeader(atOffset offset: Int) -> WALFrameHeader? {
    guard offset + WALFormat.frameHeaderSize <= bytes.count else { return nil }
    return WALFrameHeader(decoding: UnsafeRawBufferPointer(rebasing: bytes[offset...]), nonce: header.nonce)
  }

  private func frame(at position: WalPosition) -> Frame? {
    let offset = offset(of: position)
    guard let frame = frameHeader(atOffset: offset) else { return nil }
    let start = offset + WALFormat.frameHeaderSize
    guard frame.bodyLength <= bytes.count - start else { return nil }
    let body = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + frame.bodyLength)])
    guard CRC32C.checksum(body) == frame.bodyChecksum else { return nil }
    return Frame(
      header: frame, position: position, body: body, end: position + WALFormat.frameSize(body: body.count))
  }
}
