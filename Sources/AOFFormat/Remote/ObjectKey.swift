import AOFCore

/// The name of an object, which says whose bytes it holds. Never used for a second object.
package struct ObjectKey: Hashable, Sendable {
  package let log: LogID
  package let chunk: ChunkID
  package let range: Range<LSN>
  package let generation: Generation
  /// The epoch of the writer, from 1.
  package let epoch: UInt64
  /// Tells apart objects of the same bytes.
  package let random: UInt64

  package init(
    log: LogID, chunk: ChunkID, range: Range<LSN>, generation: Generation, epoch: UInt64, random: UInt64
  ) {
    self.log = log
    self.chunk = chunk
    self.range = range
    self.generation = generation
    self.epoch = epoch
    self.random = random
  }

  /// The part of the key that all objects share, without a slash at its end.
  package static let root = "chunks"

  /// The part of the key that all objects of a log share, without a slash at its end.
  package static func directory(of log: LogID) -> String { "\(root)/\(log)" }

  /// The key below the remote's prefix.
  package var text: String {
    let lsns =
      FixedWidthNumber.decimal(range.lowerBound.rawValue) + "-"
      + FixedWidthNumber.decimal(range.upperBound.rawValue)
    return Self.directory(of: log) + "/" + FixedWidthNumber.hex(chunk.rawValue) + "/"
      + "\(lsns)-\(generation)-\(epoch)-\(FixedWidthNumber.hex(random)).zst"
  }

  /// Reads a key back. Takes exactly what ``text`` writes.
  ///
  /// - Throws: `corrupt`: keys come from listings and manifest records.
  package init(parsing text: String) throws(AofError) {
    guard let key = Self.parse(text), key.text == text else {
      throw AofError(.corrupt, "'\(text)' is not the name of an object")
    }
    self = key
  }

  private static func parse(_ text: String) -> ObjectKey? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == root, let log = UInt64(parts[1]),
      let chunk = UInt64(parts[2], radix: 16),
      parts[3].hasSuffix(".zst")
    else { return nil }
    let fields = parts[3].dropLast(4).split(separator: "-", omittingEmptySubsequences: false)
    guard fields.count == 5, let first = UInt64(fields[0]), let end = UInt64(fields[1]), first < end,
      end <= LSN.max.rawValue, let generation = UInt32(fields[2]), let epoch = UInt64(fields[3]),
      let random = UInt64(fields[4], radix: 16), chunk != ChunkID.tail.rawValue
    else { return nil }
    return ObjectKey(
      log: LogID(rawValue: log), chunk: ChunkID(rawValue: chunk),
      range: LSN(rawValue: first)..<LSN(rawValue: end), generation: Generation(rawValue: generation),
      epoch: epoch,
      random: random)
  }
}

extension ObjectKey: CustomStringConvertible {
  package var description: String { text }
}
