import AOFCore
import AOFEngine
import AOFSystem

/// The open handles of `.ctl/events`. All of them read from the engine's one ring of kept events, so a reader that is slow
/// or stuck costs what its handle costs, and nobody who reports an event waits for a reader.
final class EventFeed: Sendable {
  private struct State {
    /// Readers that wait, and programs that poll.
    var waiters: [@Sendable () -> Void] = []
    var isWakeQueued = false
    var hasEnded = false
  }

  let manager: AofManager
  private let queue: WorkQueue
  private let state = Lock(State())

  /// - Throws: `system(EAGAIN)` when the process may start no more threads.
  init(_ manager: AofManager) throws(AofError) {
    self.manager = manager
    queue = try WorkQueue(name: "events", threads: 1)
    manager.observation.whenNews { [weak self] in self?.wakeLater() }
  }

  /// A reader from the oldest event on that is kept.
  func makeReader() -> EventReader { EventReader(feed: self, from: manager.observation.firstEvent) }

  /// There will be no more events: whoever has read all that there are gets the end of the file.
  func end() {
    state.withLock { $0.hasEnded = true }
    wakeLater()
  }

  /// Ends the thread. No reader waits any more.
  func close() {
    manager.observation.whenNews(nil)
    end()
    queue.close()
  }

  var hasEnded: Bool { state.withLock { $0.hasEnded } }

  /// Calls `action` once, on the feed's thread, when there may be something to read behind `number`.
  func whenReadable(from number: UInt64, _ action: @escaping @Sendable () -> Void) {
    state.withLock { $0.waiters.append(action) }
    // What came before the action was noted has woken nobody.
    if hasEnded || manager.observation.hasEvent(from: number) { wakeLater() }
  }

  private func wakeLater() {
    let mustQueue = state.withLock { state in
      guard !state.waiters.isEmpty, !state.isWakeQueued else { return false }
      state.isWakeQueued = true
      return true
    }
    if mustQueue, !queue.add({ [self] in wake() }) { wake() }
  }

  private func wake() {
    let waiters = state.withLock { state in
      state.isWakeQueued = false
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter() }
  }
}

/// One open handle of the events file: a position in the events.
final class EventReader: Sendable {
  private struct State {
    /// The event that comes after `text`.
    var next: UInt64
    /// Lines that were not read to their end.
    var text: [UInt8] = []
    var position = 0
    /// The READ that waits, if one does.
    var pending: (@Sendable (AofError?) -> Void)?
    /// The program that polls, if one does.
    var poll: (@Sendable () -> Void)?
    /// Whether the feed is to call this reader.
    var isListening = false
  }

  /// Lines that are made at a time, about. A reader keeps no more.
  private static let batch = 32

  private let feed: EventFeed
  private let state: Lock<State>

  init(feed: EventFeed, from number: UInt64) {
    self.feed = feed
    state = Lock(State(next: number))
  }

  /// Copies what comes next and returns its length; 0 at the end; nil if there is nothing yet.
  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
    // Looked at first: what was reported before the end is still to be read.
    let hasEnded = feed.hasEnded
    return state.withLock { state in
      refill(&state)
      let part = state.text[state.position...].prefix(buffer.count)
      buffer.copyBytes(from: part)
      state.position += part.count
      return part.isEmpty && !hasEnded ? nil : part.count
    }
  }

  private func refill(_ state: inout State) {
    guard state.position == state.text.count else { return }
    let (missed, events) = feed.manager.observation.events(from: state.next, limit: Self.batch)
    state.position = 0
    state.text = missed > 0 ? EventLines.missed(missed) : []
    state.next += missed
    for event in events { state.text += EventLines.line(event, in: feed.manager) }
    state.next += UInt64(events.count)
  }

  /// Whether a read would answer now.
  var isReadable: Bool {
    let (hasText, next) = state.withLock { ($0.position < $0.text.count, $0.next) }
    return hasText || feed.hasEnded || feed.manager.observation.hasEvent(from: next)
  }

  /// Calls `action` once when there is something to read, or the end. A READ that waited before is interrupted: one of a
  /// handle waits at a time, so that those whose program was killed do not pile up.
  func whenReadable(_ action: @escaping @Sendable (AofError?) -> Void) {
    let older = state.withLock { state in
      defer { state.pending = action }
      return state.pending
    }
    older?(AofError(.interrupted, "another read of the same handle waits"))
    listen()
  }

  /// As the above, for a program that polls: the latest one is told.
  func whenPollable(_ action: @escaping @Sendable () -> Void) {
    state.withLock { $0.poll = action }
    listen()
  }

  private func listen() {
    let next: UInt64? = state.withLock { state in
      guard !state.isListening else { return nil }
      state.isListening = true
      return state.next
    }
    guard let next else { return }
    feed.whenReadable(from: next) { [weak self] in self?.wake() }
  }

  private func wake() {
    let (pending, poll) = state.withLock { state in
      state.isListening = false
      defer { (state.pending, state.poll) = (nil, nil) }
      return (state.pending, state.poll)
    }
    poll?()
    pending?(nil)
  }
}
