import AOFCore
import AOFSystem

/// The first block of a WAL segment. Layout: docs/format/wal.md, "Segment header".
package struct WALSegmentHeader: Hashable, Sendable {
  /// The store that the segment belongs to: 16 bytes as two numbers.
  package var storeID: StoreID
  /// Segments of a WAL are numbered from 1 in the order of their bytes; a number may be left out.
  package var sequence: UInt64
  /// The WAL position of the first frame; also tells where the segment before it ended.
  package var base: WalPosition
  /// Seeds the checksums of this life of the segment.
  package var nonce: UInt64
  /// The segment file's length in bytes.
  package var size: UInt32
  package var created: UnixTime

  package init(
    storeID: StoreID, sequence: UInt64, base: WalPosition, nonce: UInt64, size: UInt32, created: UnixTime
  ) {
    self.storeID = storeID
    self.sequence = sequence
    self.base = base
    self.nonce = nonce
    self.size = size
    self.created = created
  }

  /// Writes the header over `block`, which is ``WALFormat/segmentHeaderSize`` bytes long.
  package func encode(into block: UnsafeMutableRawBufferPointer) {
    block.initializeMemory(as: UInt8.self, repeating: 0)
    block.store(WALFormat.segmentMagic, at: 0)
    block.store(WALFormat.version, at: 8)
    block.store(storeID.high, at: 16)
    block.store(storeID.low, at: 24)
    block.store(sequence, at: 32)
    block.store(base.rawValue, at: 40)
    block.store(nonce, at: 48)
    block.store(created.rawValue, at: 56)
    block.store(size, at: 64)
    let end = WALFormat.segmentHeaderLength
    block.store(CRC32C.checksum(UnsafeRawBufferPointer(rebasing: block[..<(end - 4)])), at: end - 4)
  }

  /// - Throws: `newerVersion`; `corrupt` for a header that is damaged, or none at all.
  package init(decoding block: UnsafeRawBufferPointer, path: String) throws(AofError) {
    let end = WALFormat.segmentHeaderLength
    guard block.count >= end, block.number(at: 0) == WALFormat.segmentMagic else {
      throw AofError(.corrupt, "\(path) does not begin as a WAL segment")
    }
    // The checksum's place may differ in a later version, so the version is looked at first.
    let version: UInt16 = block.number(at: 8)
    guard version <= WALFormat.version else {
      throw AofError(
        .newerVersion, "\(path) has WAL format version \(version), and this aofs reads up to \(WALFormat.version)",
        remedy: "use a newer aofs")
    }
    let checksum = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: block[..<(end - 4)]))
    let size: UInt32 = block.number(at: 64)
    guard version == WALFormat.version, block.number(at: end - 4) == checksum, size >= WALFormat.segmentHeaderSize
    else {
      throw AofError(.corrupt, "the header of \(path) is damaged")
    }
    self.init(
      storeID: StoreID(high: block.number(at: 16), low: block.number(at: 24)),
      sequence: block.number(at: 32), base: WalPosition(rawValue: block.number(at: 40)),
      nonce: block.number(at: 48), size: size,
      created: UnixTime(rawValue: block.number(at: 56)))
  }
}
