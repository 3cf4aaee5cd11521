import AOFCore
import AOFSystem

/// An open `command` file: the answer to the last message written to it, read as a stream.
///
/// Reads go on where the last read ended and ignore the offset: after a `write` of N bytes the descriptor
/// stands at N, and the answer shall be read from its beginning all the same. A new message starts a new answer.
///
/// A signal ends the wait for a message and not its work, and programs write again what was interrupted, as they do with
/// any write. So a message that a signal has hidden the outcome of is known until another one comes: the same bytes are not
/// carried out again, but wait for its outcome, or get it.
final class CommandHandle: Sendable {
  typealias WhenDone = Deferred<Int>.WhenDone

  private struct Message {
    let bytes: [UInt8]
    var waiter: any Waiter
    var whenDone: WhenDone
    /// What it came to, if nobody was there to learn it.
    var outcome: Result<Int, AofError>?
  }

  private struct State {
    var answer: [UInt8] = []
    var position = 0
    /// Those under way, by number, and the newest one until somebody knows its outcome.
    var messages: [UInt64: Message] = [:]
    var next: UInt64 = 0
    /// The number of the newest one.
    var newest: UInt64?
  }

  /// The log that commands without a LOG mean; nil for every log.
  let defaultLog: LogID?
  private let state = Lock(State())

  init(defaultLog: LogID?) { self.defaultLog = defaultLog }

  /// A message was written. Returns its number if it is to be carried out; nil if it is the one that was interrupted, whose
  /// outcome goes to `whenDone`.
  func begin(_ bytes: [UInt8], for waiter: any Waiter, _ whenDone: @escaping WhenDone) -> UInt64? {
    let (number, outcome): (UInt64?, Result<Int, AofError>?) = state.withLock { state in
      if let newest = state.newest, var message = state.messages[newest] {
        if message.bytes == bytes, message.waiter.hasGone {
          (message.waiter, message.whenDone) = (waiter, whenDone)
          let isTaken = message.outcome != nil && waiter.stay()
          state.messages[newest] = isTaken ? nil : message
          return (nil, isTaken ? message.outcome : nil)
        }
        if message.outcome != nil { state.messages[newest] = nil }
      }
      defer { state.next += 1 }
      state.newest = state.next
      state.messages[state.next] = Message(bytes: bytes, waiter: waiter, whenDone: whenDone)
      return (state.next, nil)
    }
    if let outcome { whenDone(outcome) }
    return number
  }

  /// A message is done.
  func end(_ number: UInt64, _ outcome: Result<Int, AofError>, _ text: String) {
    let whenDone: WhenDone? = state.withLock { state in
      guard let message = state.messages[number] else { return nil }
      let (isAwaited, isNewest) = (message.waiter.stay(), state.newest == number)
      state.messages[number] = nil
      if isAwaited || isNewest { (state.answer, state.position) = (Array(text.utf8), 0) }
      if isAwaited { return message.whenDone }
      if isNewest {
        state.messages[number] = message
        state.messages[number]?.outcome = outcome
      }
      return nil
    }
    whenDone?(outcome)
  }

  /// Copies what comes next of the answer and returns its length; 0 at the end.
  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    state.withLock { state in
      let part = state.answer[state.position...].prefix(buffer.count)
      buffer.copyBytes(from: part)
      state.position += part.count
      return part.count
    }
  }
}
