import AOFCore
import AOFFormat
import AOFSystem

/// One file of a WAL, preallocated, and written from its start to its end once in each of its lives.
public final class WalSegment: Sendable {
  /// Its number in the WAL, from 1.
  public let sequence: UInt64
  public let path: String
  /// The log that the segment was prepared for, and the LSN at which it continues the log; nil for a segment
  /// that the WAL started by itself.
  public let start: (log: LogID, lsn: LSN)?

  let file: File
  let header: WALSegmentHeader
  /// The position of the first frame.
  var base: WalPosition { header.base }

  private init(path: String, file: File, header: WALSegmentHeader, start: (log: LogID, lsn: LSN)?) {
    self.path = path
    self.file = file
    self.header = header
    self.start = start
    sequence = header.sequence
  }

  /// The offset in the file of a position in the WAL.
  func offset(of position: WalPosition) -> Int { WALFormat.segmentHeaderSize + (position - base) }

  /// Creates the file, reserves its space, and makes its name durable. It is no part of the WAL, whatever becomes of
  /// it, before ``writeHeader()``.
  static func create(
    in directory: String, header: WALSegmentHeader, start: (log: LogID, lsn: LSN)? = nil, disk: any Disk
  ) throws(AofError) -> WalSegment {
    let path = directory + "/" + fileName(header.sequence)
    let file = try disk.open(path, .createNew)
    do throws(AofError) {
      try file.allocate(Int(header.size))
      try disk.syncDirectory(directory)
    } catch {
      try? disk.remove(path)
      throw error
    }
    return WalSegment(path: path, file: file, header: header, start: start)
  }

  /// Makes the segment part of the WAL, durably: from here on the one before it ends where this one begins. After an
  /// error nobody knows whether it does.
  func writeHeader() throws(AofError) {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: WALFormat.segmentHeaderSize, alignment: 4096)
    defer { block.deallocate() }
    header.encode(into: block)
    try file.write(UnsafeRawBufferPointer(block), at: 0)
    try file.syncData()
  }

  /// Takes a segment out of the WAL again whose ``writeHeader()`` failed; after an error it may still be in it.
  func remove(in directory: String, disk: any Disk) throws(AofError) {
    try disk.remove(path)
    try disk.syncDirectory(directory)
  }

  // MARK: Names

  private static let suffix = ".wal"

  static func fileName(_ sequence: UInt64) -> String { HexText.decimal(sequence) + suffix }

  /// The number in a segment's file name; nil for other names, and for numbers that no manifest could hold.
  static func sequence(ofFileName name: String) -> UInt64? {
    guard name.hasSuffix(suffix) else { return nil }
    let digits = name.dropLast(suffix.count)
    guard digits.utf8.count == 20, let number = UInt64(digits), number < UInt64(Int64.max) else { return nil }
    return number
  }
}
