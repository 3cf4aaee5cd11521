import AOFSystem
import CFuse3
import Glibc
import Logging

/// What libfuse has to say, which it would print to stderr.
enum LibraryLog {
  private struct State {
    var logger: Logger?
    var last = ""
  }

  private static let state = Lock(State())

  static func install(_ logger: Logger) {
    state.withLock { $0 = State(logger: logger) }
    fuse_set_log_func(onLibraryLog)
  }

  /// The last message since ``install(_:)``: libfuse's calls return no reasons.
  static var lastMessage: String { state.withLock { $0.last } }

  fileprivate static func take(_ message: String, isError: Bool) {
    let logger = state.withLock { state in
      state.last = message
      return state.logger
    }
    if isError { logger?.error("libfuse: \(message)") } else { logger?.debug("libfuse: \(message)") }
  }
}

private func onLibraryLog(_ level: fuse_log_level, _ format: UnsafePointer<CChar>?, _ arguments: CVaListPointer?) {
  guard let format, let arguments else { return }
  var text = [CChar](repeating: 0, count: 1024)
  vsnprintf(&text, text.count, format, arguments)
  var message = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  while message.last == "\n" { message.removeLast() }
  if !message.isEmpty { LibraryLog.take(message, isError: level.rawValue <= FUSE_LOG_ERR.rawValue) }
}
