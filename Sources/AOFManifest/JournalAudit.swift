import AOFCore
import AOFSystem

/// Looks for damage in SQLite's own journal, `manifest.sqlite-wal`, which SQLite itself passes over in silence: it takes
/// the journal to end at the first frame whose checksum is wrong, and forgets the transactions behind it.
///
/// Pure. Layout: https://www.sqlite.org/fileformat2.html, "The Write-Ahead Log". Each transaction is synced before it
/// counts as done, so frames behind a damaged one are a power cut's work only within the last transaction.
struct JournalAudit {
  private static let headerSize = 32
  private static let frameHeaderSize = 24

  private let bytes: UnsafeRawBufferPointer
  private let isBigEndian: Bool
  private let pageSize: Int

  /// Nil if there is no journal that counts: none at all, or one whose header was never written whole.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= Self.headerSize else { return nil }
    let magic = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
    guard magic & ~1 == 0x377F_0682 else { return nil }
    isBigEndian = magic & 1 == 1
    self.bytes = bytes
    pageSize = Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
    guard (512...65_536).contains(pageSize), checksum(0..<24, (0, 0)) == stored(at: 24) else { return nil }
  }

  /// What is damaged; nil if nothing is, or nothing that a power cut could not have left.
  var problem: String? {
    var sum = stored(at: 24)
    var frame = 0
    while let offset = offset(of: frame), salt(at: offset + 8) == salt(at: 16) {
      let next = checksum(offset..<(offset + 8), sum)
      let whole = checksum((offset + Self.frameHeaderSize)..<(offset + Self.frameHeaderSize + pageSize), next)
      guard whole == stored(at: offset + 16) else { return damage(at: frame) }
      sum = whole
      frame += 1
    }
    return nil
  }

  /// Frames of this life of the journal after a damaged one that belong to more than one transaction.
  private func damage(at damaged: Int) -> String? {
    var transactions = 0
    var isOpen = false
    var frame = damaged + 1
    while let offset = offset(of: frame), salt(at: offset + 8) == salt(at: 16) {
      isOpen = true
      if number(at: offset + 4) != 0 {
        transactions += 1
        isOpen = false
      }
      frame += 1
    }
    guard transactions + (isOpen ? 1 : 0) > 1 else { return nil }
    return "frame \(damaged + 1) of \(frame) in SQLite's journal is damaged: the transactions behind it are lost"
  }

  private func offset(of frame: Int) -> Int? {
    let offset = Self.headerSize + frame * (Self.frameHeaderSize + pageSize)
    return offset + Self.frameHeaderSize + pageSize <= bytes.count ? offset : nil
  }

  private func number(at offset: Int) -> UInt32 {
    UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  private func salt(at offset: Int) -> UInt64 { bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }

  private struct Sum: Equatable {
    var first: UInt32
    var second: UInt32
  }

  private func stored(at offset: Int) -> Sum { Sum(first: number(at: offset), second: number(at: offset + 4)) }

  private func checksum(_ range: Range<Int>, _ start: (UInt32, UInt32)) -> Sum {
    checksum(range, Sum(first: start.0, second: start.1))
  }

  private func checksum(_ range: Range<Int>, _ start: Sum) -> Sum {
    var sum = start
    for offset in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
      sum.first = sum.first &+ word(at: offset) &+ sum.second
      sum.second = sum.second &+ word(at: offset + 4) &+ sum.first
    }
    return sum
  }

  private func word(at offset: Int) -> UInt32 {
    let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    return isBigEndian ? UInt32(bigEndian: word) : UInt32(littleEndian: word)
  }
}

extension Manifest {
  /// The file that SQLite keeps beside the manifest at `path`.
  package static func journal(of path: String) -> String { path + "-wal" }

  /// What is damaged in SQLite's journal of the manifest at `path`, which nobody has opened; nil if nothing is. Reads all
  /// of it, a few megabytes at most, and changes nothing.
  package static func journalProblem(of path: String, on disk: any Disk) throws(AofError) -> String? {
    let file: File
    do throws(AofError) {
      file = try disk.open(journal(of: path), .read)
    } catch where error.code == .notFound {
      return nil
    }
    var bytes = [UInt8](repeating: 0, count: try file.size())
    return try bytes.withTypedMutableBytes { buffer throws(AofError) in
      let count = try file.read(into: buffer, at: 0)
      return JournalAudit(UnsafeRawBufferPointer(rebasing: buffer[..<count]))?.problem
    }
  }
}
