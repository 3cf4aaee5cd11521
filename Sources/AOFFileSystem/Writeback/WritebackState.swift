import AOFCore

/// What is known of the writeback of one log: what is held, who waits for it, and whether the kernel's idea of the log is
/// the log's own.
///
/// In writeback mode the kernel alone says how long the log is, for as long as it knows the inode. If bytes that it holds
/// cannot be appended it is wrong for good. So the inode is given up: a new *incarnation* of it begins, told as another
/// generation of the node with the next LOOKUP, and whoever has the log open gets an error from then on.
struct WritebackState {
  typealias Completion = @Sendable (AofError?) -> Void

  private(set) var held = HeldPieces()

  /// Replies to pieces that are out of the window, by where the pieces begin.
  private var parked: [(start: UInt64, completion: Completion)] = []

  /// Who waits until the log reaches an LSN.
  private var waiting: [(end: UInt64, completion: Completion)] = []

  /// Whether a thread appends what is held.
  private var isDraining = false
  private var mustDrainAgain = false

  /// Whether the kernel was asked for bytes that are missing.
  private var isAsking = false

  private(set) var incarnation: UInt32 = 0
  /// Which life of the log's end the incarnation knows: a cut begins another one.
  private(set) var generation: Generation
  /// The newest one that a LOOKUP was answered with.
  private var announced: UInt32 = 0
  /// Why the last incarnation ended.
  private var failure: AofError?
  /// Pieces of this incarnation, and of earlier ones, that are being compared and appended.
  private var underWay = 0
  private var staleUnderWay = 0

  /// Open handles that can write.
  private(set) var writers = 0

  init(generation: Generation) { self.generation = generation }

  // MARK: Incarnations

  /// What to tell with a LOOKUP.
  mutating func announce() -> UInt32 {
    announced = incarnation
    return incarnation
  }

  /// Whether the kernel can know that the last incarnation has ended, and nothing of it is under way.
  var mayOpen: Bool { announced == incarnation && staleUnderWay == 0 }

  /// - Throws: why an incarnation has ended.
  func check(_ incarnation: UInt32) throws(AofError) {
    if incarnation != self.incarnation, let failure { throw failure }
  }

  /// A piece of the incarnation is about to be compared and appended. - Throws: as ``check(_:)``.
  mutating func begin(_ incarnation: UInt32) throws(AofError) {
    try check(incarnation)
    underWay += 1
  }

  mutating func finish(_ incarnation: UInt32) {
    if incarnation == self.incarnation { underWay -= 1 } else { staleUnderWay -= 1 }
  }

  /// Gives up the kernel's inode; the next incarnation knows `generation`. Returns who is to get the error; nil if the
  /// incarnation has ended before.
  mutating func end(_ incarnation: UInt32, _ error: AofError, generation: Generation) -> [Completion]? {
    guard incarnation == self.incarnation else { return nil }
    staleUnderWay += underWay
    underWay = 0
    self.incarnation &+= 1
    self.generation = generation
    failure = error
    held.removeAll()
    defer { (parked, waiting) = ([], []) }
    return parked.map(\.completion) + waiting.map(\.completion)
  }

  // MARK: Writers

  mutating func opened() { writers += 1 }

  /// Returns the incarnation if its last writer has gone and left bytes that never found their place.
  mutating func closed() -> UInt32? {
    writers -= 1
    return writers > 0 || held.isEmpty ? nil : incarnation
  }

  // MARK: Pieces

  /// Returns whether the piece counts as written; if not, `completion` is called when it does.
  /// - Throws: as ``check(_:)``.
  mutating func hold(
    _ piece: HeldPieces.Piece, of incarnation: UInt32, tail: UInt64, _ completion: @escaping Completion
  ) throws(AofError) -> Bool {
    try check(incarnation)
    if held.hold(piece, tail: tail) { return true }
    parked.append((piece.start, completion))
    return false
  }

  /// `completion` is called when the log reaches `end`, or never will.
  mutating func wait(for end: UInt64, _ completion: @escaping Completion) { waiting.append((end, completion)) }

  // MARK: Appending what is held

  /// Whether the caller is to append what is held; else somebody does.
  mutating func beginDraining() -> Bool {
    mustDrainAgain = isDraining
    if isDraining { return false }
    isDraining = true
    return true
  }

  enum Drain {
    /// A piece of that incarnation.
    case append(HeldPieces.Piece, UInt32)
    /// Look at the tail again.
    case again
    /// Nothing more is ready; these have waited for what was.
    case done([Completion])
  }

  mutating func drain(tail: UInt64) -> Drain {
    if let piece = held.ready(tail: tail) { return .append(piece, incarnation) }
    if mustDrainAgain {
      mustDrainAgain = false
      return .again
    }
    isDraining = false
    let near = parked.filter { HeldPieces.isNear($0.start, tail: tail) }
    let there = waiting.filter { $0.end <= tail }
    parked.removeAll { HeldPieces.isNear($0.start, tail: tail) }
    waiting.removeAll { $0.end <= tail }
    return .done(near.map(\.completion) + there.map(\.completion))
  }

  /// A piece is in the log.
  mutating func remove(_ piece: HeldPieces.Piece, of incarnation: UInt32) {
    if incarnation == self.incarnation { held.remove(piece) }
  }

  // MARK: Asking for what is missing

  /// What to ask the kernel for, from the tail on. Nil if nobody waits, or somebody is at it: who drains asks afterwards.
  mutating func beginAsking(tail: UInt64) -> Range<UInt64>? {
    let end = max(waiting.map(\.end).max() ?? 0, parked.map(\.start).max() ?? 0)
    guard !isAsking, !isDraining, end > tail else { return nil }
    isAsking = true
    // What is held is not asked for again; and no question is so long that it meets a piece whose reply is parked, which
    // would wait for the answer.
    return tail..<min(end, held.endOfGap(tail: tail) ?? end, tail + UInt64(Limits.maximumRequest))
  }

  enum Answer {
    /// Something came.
    case more
    /// The bytes do not exist, and these wait for them in vain.
    case nothing([Completion])
    /// As before, and there are bytes behind them that the kernel takes for written.
    case hole
  }

  /// The kernel has sent all that it held of what it was asked for when the log ended at `asked`.
  mutating func endAsking(asked: UInt64, tail: UInt64) -> Answer {
    isAsking = false
    if tail != asked || isDraining || held.ready(tail: tail) != nil { return .more }
    guard held.isEmpty else { return .hole }
    defer { waiting = [] }
    return .nothing(waiting.map(\.completion))
  }
}
