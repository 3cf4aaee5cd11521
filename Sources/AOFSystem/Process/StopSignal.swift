import AOFCore

/// Tells threads that wait in poll(2), as those that run a command do, that nobody wants what they wait for any more.
package final class StopSignal: Sendable {
  private struct State {
    var isGiven = false
    /// Nil until somebody waits.
    var reader: ByteStream?
    /// Closed when the signal is given, which the reader sees.
    var writer: ByteStream?
  }

  private let state = Lock(State())

  package init() {}

  /// For good. Does not wait for anybody.
  package func give() {
    // Closed when it goes out of scope, outside the lock.
    let writer = state.withLock { state in
      state.isGiven = true
      return state.writer.take()
    }
    withExtendedLifetime(writer) {}
  }

  /// A stream at its end once the signal is given; nobody writes to it.
  func listen() throws(AofError) -> ByteStream {
    if let reader = state.withLock({ $0.reader }) { return reader }
    let pipe = try Pipe.open()
    return state.withLock { state in
      // Another thread may have been faster.
      if let reader = state.reader { return reader }
      state.reader = pipe.reader
      state.writer = state.isGiven ? nil : pipe.writer
      return pipe.reader
    }
  }
}
