/// What becomes of a piece of a log that comes from the kernel's page cache, by where the log ends.
///
/// Pieces begin at pages, so they repeat bytes that came before; and they come in any order.
enum PieceDecision: Equatable {
  /// The first `repeated` bytes must be those that the log holds; the others, if any, are its next ones.
  case take(repeated: Int)
  /// Bytes in front of the piece are missing.
  case hold

  init(_ range: Range<UInt64>, tail: UInt64) {
    self = range.lowerBound > tail ? .hold : .take(repeated: Int(min(range.upperBound, tail) - range.lowerBound))
  }
}

/// Pieces of one log that came before the bytes in front of them.
///
/// The kernel is told at once that a piece is written, though it is not in the log yet: it sends a page again only when it
/// has got the answer to the last time, and may wait for that before it sends the page that is missing. Only what lies
/// more than a window behind the tail is answered when its turn comes: that far ahead no such wait reaches, and what is
/// held stays small.
struct HeldPieces {
  /// In bytes. Larger than any run of pages that the kernel gathers before it sends them.
  static let window: UInt64 = 16 << 20

  struct Piece: Sendable {
    let start: UInt64
    let bytes: [UInt8]
    var range: Range<UInt64> { start..<start + UInt64(bytes.count) }
  }

  /// By where they begin; of two that begin alike the longer one comes last.
  private(set) var pieces: [Piece] = []

  var isEmpty: Bool { pieces.isEmpty }

  /// Where the last of them ends; 0 without any.
  var end: UInt64 { pieces.map(\.range.upperBound).max() ?? 0 }

  /// Returns whether the kernel may be told now that the piece is written.
  mutating func hold(_ piece: Piece, tail: UInt64) -> Bool {
    let index = pieces.firstIndex { ($0.start, $0.bytes.count) > (piece.start, piece.bytes.count) } ?? pieces.endIndex
    pieces.insert(piece, at: index)
    return Self.isNear(piece.start, tail: tail)
  }

  /// Whether a piece that begins at `start` lies within the window.
  static func isNear(_ start: UInt64, tail: UInt64) -> Bool { start < tail + window }

  /// The piece whose turn has come. It is held until ``remove(_:)``, so that who looks for it finds it here or in the log.
  func ready(tail: UInt64) -> Piece? { pieces.first.flatMap { $0.start <= tail ? $0 : nil } }

  /// Where the first piece behind the tail begins; nil if nothing is missing.
  func endOfGap(tail: UInt64) -> UInt64? { pieces.first.flatMap { $0.start > tail ? $0.start : nil } }

  mutating func remove(_ piece: Piece) {
    if let index = pieces.firstIndex(where: { $0.range == piece.range }) { pieces.remove(at: index) }
  }

  mutating func removeAll() { pieces = [] }
}
