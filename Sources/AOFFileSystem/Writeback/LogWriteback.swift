import AOFCore
import AOFEngine
import AOFSystem

/// Brings what the kernel's page cache sends of one log into the log.
///
/// No byte of the log changes: a piece goes behind the tail, where the part of it that lies before the tail is what the log
/// holds already.
final class LogWriteback: Sendable {
  private let log: Aof
  private let cache: any KernelCache
  private let arrivals: WorkQueue?
  private let observation: Observation
  private let state: Lock<WritebackState>

  /// - Parameter arrivals: as in ``FileSystem``.
  init(_ log: Aof, cache: any KernelCache, observation: Observation, arrivals: WorkQueue?) {
    self.arrivals = arrivals
    self.log = log
    self.cache = cache
    self.observation = observation
    state = Lock(WritebackState(generation: log.generation))
  }

  private var tail: UInt64 { log.tailLSN.rawValue }

  // MARK: Incarnations of the kernel's inode

  /// The generation of the node to tell with a LOOKUP.
  func announce() -> UInt32 { state.withLock { $0.announce() } }

  /// For a new handle.
  /// - Throws: ESTALE if the kernel must look the name up first: it then does so, and opens again.
  func open(_ flags: OpenFlags) throws(AofError) -> WritebackHandle {
    let incarnation = try state.withLock { state throws(AofError) in
      guard state.mayOpen else { throw .stale(log.id) }
      guard !flags.truncates || state.writers == 0 else {
        throw AofError(.notPermitted, "a log that others write cannot be truncated", remedy: "append with >>")
      }
      if flags.canWrite { state.opened() }
      return state.incarnation
    }
    return WritebackHandle(self, incarnation: incarnation, isWriter: flags.canWrite)
  }

  func closed() {
    if let incarnation = state.withLock({ $0.closed() }) { end(incarnation, hole) }
  }

  func check(_ incarnation: UInt32) throws(AofError) {
    try state.withLock { state throws(AofError) in try state.check(incarnation) }
  }

  /// The log lost its end, and the kernel does not know that.
  func didCut() { end(state.withLock { $0.incarnation }, cut) }

  private var cut: AofError {
    AofError(.localFailure, "log \(log.id) was cut after it was opened", remedy: "open it again")
  }

  /// What the kernel holds is not what the log is, or not any more: it is to begin anew with the inode.
  private func end(_ incarnation: UInt32, _ error: AofError) {
    let generation = log.generation
    guard let waiting = state.withLock({ $0.end(incarnation, error, generation: generation) }) else { return }
    observation.report(
      .incident(Incident.Kind(error), "what programs wrote to log \(log.id) cannot all be appended; who has it open must open it again: \(error)"))
    for completion in waiting { completion(error) }
  }

  private var hole: AofError {
    AofError(
      .localFailure, "bytes of log \(log.id) were written past its end, and those before them were not",
      remedy: "append to the log")
  }

  // MARK: Pieces

  enum Outcome {
    case taken
    /// Bytes in front of the piece are missing.
    case early
    /// The bytes to compare the piece with come from the remote.
    case cold(Range<LSN>)
  }

  /// - Throws: `notPermitted` if the piece is not what the log holds, though what lies behind the tail was appended;
  ///   what an append throws, and then the kernel's inode is given up; why it was given up before.
  func take(_ bytes: UnsafeRawBufferPointer, at start: UInt64, of incarnation: UInt32) throws(AofError) -> Outcome {
    try state.withLock { state throws(AofError) in try state.begin(incarnation) }
    defer { state.withLock { $0.finish(incarnation) } }
    while true {
      // In this order: what was cut off is not to come back, so the tail must be of the life that the incarnation knows.
      let (tail, generation) = (tail, log.generation)
      let isKnown = try state.withLock { state throws(AofError) in
        try state.check(incarnation)
        return state.generation == generation
      }
      guard isKnown else {
        end(incarnation, cut)
        throw cut
      }
      guard case .take(let repeated) = PieceDecision(start..<start + UInt64(bytes.count), tail: tail) else { return .early }
      let comparison = try log.compare(UnsafeRawBufferPointer(rebasing: bytes[..<repeated]), at: LSN(rawValue: start))
      if case .cold(let range) = comparison { return .cold(range) }
      do throws(AofError) {
        let new = UnsafeRawBufferPointer(rebasing: bytes[repeated...])
        if !new.isEmpty { try log.append(new, at: LSN(rawValue: tail)) }
      } catch where error.code == .notAtTail {
        continue
      } catch {
        end(incarnation, error)
        throw error
      }
      drain()
      guard case .same = comparison else { throw refuseChange() }
      return .taken
    }
  }

  /// Makes readers see the log's bytes again, once the kernel has got the error.
  private func refuseChange() -> AofError {
    cache.invalidateAll(log.id) {}
    return AofError(.notPermitted, "bytes of log \(log.id) cannot be changed", remedy: "append to it")
  }

  /// Keeps a piece until what is missing in front of it has come. Returns whether it counts as written; if not,
  /// `whenWritten` is called when it does.
  /// - Throws: why the kernel's inode was given up.
  func hold(
    _ bytes: [UInt8], at start: UInt64, of incarnation: UInt32, whenWritten: @escaping WritebackState.Completion
  ) throws(AofError) -> Bool {
    let tail = tail
    let isWritten = try state.withLock { state throws(AofError) in
      try state.hold(HeldPieces.Piece(start: start, bytes: bytes), of: incarnation, tail: tail, whenWritten)
    }
    drain()
    return isWritten
  }

  /// Calls `whenReached` when the log ends at `end` or behind, with nil; also when the kernel has no bytes that lead there.
  func reach(_ end: UInt64, whenReached: @escaping WritebackState.Completion) {
    state.withLock { $0.wait(for: end, whenReached) }
    drain()
  }

  /// As ``reach(_:whenReached:)``, for all that is held.
  func reachHeld(whenReached: @escaping WritebackState.Completion) {
    let end = state.withLock { $0.held.end }
    if end <= tail { whenReached(nil) } else { reach(end, whenReached: whenReached) }
  }

  /// Where the first piece begins that is held; nil if none is.
  var firstHeld: UInt64? { state.withLock { $0.held.pieces.first?.start } }

  /// Appends what is held and has its turn, then asks for what is missing, if anybody waits for it.
  private func drain() {
    if state.withLock({ $0.beginDraining() }) { continueDraining() }
  }

  private func continueDraining() {
    while true {
      let tail = tail
      switch state.withLock({ $0.drain(tail: tail) }) {
      case .again: continue
      case .append(let piece, let incarnation):
        guard takeHeld(piece, of: incarnation) else { return }
      case .done(let completions):
        for completion in completions { completion(nil) }
        return ask()
      }
    }
  }

  /// Returns false if this goes on when bytes have come from the remote.
  private func takeHeld(_ piece: HeldPieces.Piece, of incarnation: UInt32) -> Bool {
    var failure: AofError?
    do throws(AofError) {
      let outcome = try piece.bytes.withTypedBytes { bytes throws(AofError) in 
        try take(bytes, at: piece.start, of: incarnation)
      }
      if case .cold(let range) = outcome {
        log.fetch(range, on: arrivals) { [self] result in
          if case .failure(let error) = result { end(incarnation, error) }
          continueDraining()
        }
        return false
      }
    } catch {
      failure = error
    }
    state.withLock { $0.remove(piece, of: incarnation) }
    // The kernel was told that the piece is written.
    if let failure { end(incarnation, failure) }
    return true
  }

  // MARK: What is missing

  /// Makes the kernel send what it holds behind the tail: it writes pages before it drops them.
  private func ask() {
    let tail = tail
    let (range, incarnation) = state.withLock { ($0.beginAsking(tail: tail), $0.incarnation) }
    guard let range else { return }
    cache.tell(log.id, [.drop(range)]) { [self] in
      let now = self.tail
      switch state.withLock({ $0.endAsking(asked: tail, tail: now) }) {
      case .more: drain()
      case .nothing(let completions): for completion in completions { completion(nil) }
      case .hole: end(incarnation, hole)
      }
    }
  }
}

/// An open file in writeback mode: which incarnation of the kernel's inode it belongs to.
final class WritebackHandle: Sendable {
  let log: LogWriteback
  let incarnation: UInt32
  private let isWriter: Bool

  init(_ log: LogWriteback, incarnation: UInt32, isWriter: Bool) {
    self.log = log
    self.incarnation = incarnation
    self.isWriter = isWriter
  }

  deinit {
    if isWriter { log.closed() }
  }

  /// - Throws: why the handle is of no use any more.
  func check() throws(AofError) { try log.check(incarnation) }
}
