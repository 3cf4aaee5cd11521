import AOFCore
import AOFSystem

/// What stands at the start of each frame in a WAL. Layout and validity rule: docs/format/wal.md, "Frame".
package struct WALFrameHeader: Hashable, Sendable {
  package enum Kind: UInt8, Sendable {
    /// The payload follows the header.
    case inline = 1
    /// The payload is in the chunk files; the checksums of its pieces follow the header.
    case indirect = 2
  }

  package var kind: Kind
  package var logID: LogID
  package var generation: Generation
  /// The LSN of the payload's first byte.
  package var lsn: LSN
  /// The payload's length in bytes, without padding.
  package var length: UInt32
  /// When the append was made.
  package var time: UnixTime
  /// Everything of the WAL before this position was on stable storage when the frame was written.
  package var durableMark: WalPosition
  /// Everything of the log below was on stable storage when the frame was written, in chunk files too.
  package var durableLSN: LSN
  /// CRC32C of what follows the header: the payload, or the checksums of its pieces.
  package var bodyChecksum: UInt32

  package init(
    kind: Kind, logID: LogID, generation: Generation, lsn: LSN, length: UInt32, time: UnixTime,
    durableMark: WalPosition, durableLSN: LSN, bodyChecksum: UInt32
  ) {
    self.kind = kind
    self.logID = logID
    self.generation = generation
    self.lsn = lsn
    self.length = length
    self.time = time
    self.durableMark = durableMark
    self.durableLSN = durableLSN
    self.bodyChecksum = bodyChecksum
  }

  /// The LSNs of the payload.
  package var range: Range<LSN> { lsn..<(lsn + Int(length)) }

  /// Bytes that follow the header, without their padding.
  package var bodyLength: Int {
    switch kind {
    case .inline: Int(length)
    case .indirect: WALFormat.pieces(of: range) * 4
    }
  }

  /// Writes the header over the first ``WALFormat/frameHeaderSize`` bytes of `bytes`.
  package func encode(into bytes: UnsafeMutableRawBufferPointer, nonce: UInt64) {
    bytes.store(WALFormat.frameMagic, at: 0)
    bytes.store(WALFormat.version, at: 4)
    bytes.store(kind.rawValue, at: 6)
    bytes.store(UInt8(0), at: 7)
    bytes.store(logID.rawValue, at: 8)
    bytes.store(generation.rawValue, at: 16)
    bytes.store(length, at: 20)
    bytes.store(lsn.rawValue, at: 24)
    bytes.store(time.rawValue, at: 32)
    bytes.store(durableMark.rawValue, at: 40)
    bytes.store(bodyChecksum, at: 48)
    bytes.store(durableLSN.rawValue, at: 52)
    bytes.store(Self.checksum(UnsafeRawBufferPointer(bytes), nonce: nonce), at: 60)
  }

  /// The header at the start of `bytes`, or nil if none of this life of the segment is there. Says nothing of
  /// what follows it.
  package init?(decoding bytes: UnsafeRawBufferPointer, nonce: UInt64) {
    guard bytes.count >= WALFormat.frameHeaderSize, bytes.number(at: 0) == WALFormat.frameMagic,
      bytes.number(at: 4) == WALFormat.version, let kind = Kind(rawValue: bytes.number(at: 6)),
      bytes.number(at: 60) == Self.checksum(bytes, nonce: nonce)
    else { return nil }
    let lsn: UInt64 = bytes.number(at: 24)
    let length: UInt32 = bytes.number(at: 20)
    // The sum is an LSN too: what follows computes with it.
    let durableLSN: UInt64 = bytes.number(at: 52)
    guard length > 0, lsn <= LSN.max.rawValue - UInt64(length), durableLSN <= lsn else { return nil }
    self.init(
      kind: kind, logID: LogID(rawValue: bytes.number(at: 8)),
      generation: Generation(rawValue: bytes.number(at: 16)), lsn: LSN(rawValue: lsn), length: length,
      time: UnixTime(rawValue: bytes.number(at: 32)),
      durableMark: WalPosition(rawValue: bytes.number(at: 40)), durableLSN: LSN(rawValue: durableLSN),
      bodyChecksum: bytes.number(at: 48))
  }

  /// CRC32C over the nonce, then the header without this checksum: bytes of an earlier life of the segment,
  /// or a frame forged inside a payload, do not know the nonce.
  private static func checksum(_ bytes: UnsafeRawBufferPointer, nonce: UInt64) -> UInt32 {
    let seed = withUnsafeBytes(of: nonce.littleEndian) { CRC32C.checksum($0) }
    return CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<60]), continuing: seed)
  }
}
