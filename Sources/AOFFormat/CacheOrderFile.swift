import AOFCore

/// What a store remembers of its cache from one opening to the next. Layout: docs/format/cache-order.md.
package struct CacheOrderFile: Equatable, Sendable {
  package struct Entry: Hashable, Sendable {
    package let log: LogID
    /// Counted from LSN 0, in groups of the log's.
    package let group: UInt64
    package let byteCount: UInt32
    /// Whether it is in the main queue, and not in the small one.
    package let isMain: Bool
    /// Up to ``CacheOrderFile/mostReads``.
    package let reads: UInt8
    /// The frames of the group that were read, the first in the lowest bit; some if `reads` is not 0.
    package let framesRead: UInt8

    package init(log: LogID, group: UInt64, byteCount: UInt32, isMain: Bool, reads: UInt8, framesRead: UInt8) {
      self.log = log
      self.group = group
      self.byteCount = byteCount
      self.isMain = isMain
      self.reads = reads
      self.framesRead = framesRead
    }
  }

  package static let mostReads: UInt8 = 3
  /// A cache of four tebibytes.
  private static let mostEntries = 1 << 22
  /// A larger file is none, in bytes.
  package static let largest = headerSize + entrySize * mostEntries + 4
  private static let version: UInt32 = 1
  private static let magic = Array("aofs-ord".utf8)
  private static let headerSize = 16
  private static let entrySize = 24

  /// Those that leave first are first in their queue.
  package let entries: [Entry]

  /// Of too many entries the last are kept.
  package init(_ entries: [Entry]) { self.entries = Array(entries.suffix(Self.mostEntries)) }

  /// The bytes of the file. - Parameter crc32c: the checksum of bytes.
  package func encoded(crc32c: (UnsafeRawBufferPointer) -> UInt32) -> [UInt8] {
    var bytes = Self.magic
    bytes.reserveCapacity(Self.headerSize + Self.entrySize * entries.count + 4)
    bytes.append(littleEndian: Self.version)
    bytes.append(littleEndian: UInt32(truncatingIfNeeded: entries.count))
    for entry in entries {
      bytes.append(littleEndian: entry.log.rawValue)
      bytes.append(littleEndian: entry.group)
      bytes.append(littleEndian: entry.byteCount)
      bytes.append(entry.isMain ? 1 : 0)
      bytes.append(entry.reads)
      bytes.append(entry.framesRead)
      bytes.append(0)
    }
    bytes.append(littleEndian: bytes.withUnsafeBytes(crc32c))
    return bytes
  }

  /// - Throws: `newerVersion`; `corrupt` for anything that ``encoded(crc32c:)`` has not written.
  package init(
    decoding bytes: UnsafeRawBufferPointer, path: String, crc32c: (UnsafeRawBufferPointer) -> UInt32
  ) throws(AofError) {
    guard bytes.count >= Self.headerSize, bytes[..<Self.magic.count].elementsEqual(Self.magic) else {
      throw AofError(.corrupt, "\(path) does not begin as an order of eviction")
    }
    let version: UInt32 = bytes.number(at: 8)
    guard version <= Self.version else {
      throw AofError(
        .newerVersion, "\(path) has version \(version), and this aofs reads up to \(Self.version)", remedy: "use a newer aofs")
    }
    let count: UInt32 = bytes.number(at: 12)
    let end = Self.headerSize + Self.entrySize * Int(count)
    guard version == Self.version, count <= Self.mostEntries, bytes.count == end + 4,
      bytes.number(at: end) == crc32c(UnsafeRawBufferPointer(rebasing: bytes[..<end]))
    else { throw AofError(.corrupt, "\(path) is damaged") }
    var entries: [Entry] = []
    entries.reserveCapacity(Int(count))
    for offset in stride(from: Self.headerSize, to: end, by: Self.entrySize) {
      let (queue, reads, frames) = (bytes[offset + 20], bytes[offset + 21], bytes[offset + 22])
      guard queue <= 1, reads <= Self.mostReads, reads == 0 || frames != 0, bytes[offset + 23] == 0 else {
        throw AofError(.corrupt, "\(path) has an entry that is none")
      }
      entries.append(
        Entry(
          log: LogID(rawValue: bytes.number(at: offset)), group: bytes.number(at: offset + 8),
          byteCount: bytes.number(at: offset + 16), isMain: queue == 1, reads: reads, framesRead: frames))
    }
    self.entries = entries
  }
}
