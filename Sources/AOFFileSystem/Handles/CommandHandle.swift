import AOFCore
import AOFSystem

/// An open `command` file: the answer to the last command written to it, read as a stream.
///
/// Reads go on where the last read ended and ignore the offset: after a `write` of N bytes the descriptor
/// stands at N, and the answer shall be read from its beginning all the same. A new command starts a new answer.
final class CommandHandle: Sendable {
  private struct State {
    var answer: [UInt8] = []
    var position = 0
  }

  /// The log that commands without a LOG mean; nil for every log.
  let defaultLog: LogID?
  private let state = Lock(State())

  init(defaultLog: LogID?) { self.defaultLog = defaultLog }

  func answered(_ text: String) { state.withLock { $0 = State(answer: Array(text.utf8)) } }

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
