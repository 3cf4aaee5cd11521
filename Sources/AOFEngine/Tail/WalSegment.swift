import AOFCore
import AOFFormat
import AOFSystem

/// One file of a WAL, written from its start to its end once in each of its lives.
public final class WalSegment: Sendable {
  /// Its number in the WAL, from 1.
  public let sequence: UInt64
  public let path: String
  /// The log that the segment was prepared for, and the LSN at which it continues the log; nil for a segment
  /// that the WAL started by itself.
  public let start: (log: LogID, lsn: LSN)?

  let file: File
  /// The file's name until it becomes part of the WAL.
  let sparePath: String
  let header: WALSegmentHeader
  /// The position of the first frame.
  var base: WalPosition { header.base }

  init(path: String, sparePath: String, file: File, header: WALSegmentHeader, start: (log: LogID, lsn: LSN)?) {
    self.path = path
    self.sparePath = sparePath
    self.file = file
    self.header = header
    self.start = start
    sequence = header.sequence
  }

  /// The offset in the file of a position in the WAL.
  func offset(of position: WalPosition) -> Int { WALFormat.segmentHeaderSize + (position - base) }

  /// Writes the header's block, and makes it durable.
  func writeHeader() throws(AofError) {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: WALFormat.segmentHeaderSize, alignment: 4096)
    defer { block.deallocate() }
    header.encode(into: block)
    try file.write(UnsafeRawBufferPointer(block), at: 0)
    try file.syncData()
  }

  // MARK: Names

  private static let suffix = ".wal"

  static func fileName(_ sequence: UInt64) -> String { FixedWidthNumber.decimal(sequence) + suffix }

  /// The number in a segment's file name; nil for other names, and for numbers that no manifest could hold.
  static func sequence(ofFileName name: String) -> UInt64? {
    guard name.hasSuffix(suffix) else { return nil }
    let digits = name.dropLast(suffix.count)
    // The name is the number's own, without a sign, and one that a manifest can hold.
    guard let number = UInt64(digits), number < UInt64(Int64.max), fileName(number) == name else { return nil }
    return number
  }
}
