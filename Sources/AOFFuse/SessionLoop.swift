import AOFCore
import AOFSystem
import CFuse3
import Glibc
import Logging

/// The threads that take requests from the kernel and answer them. They are started as they are needed: when
/// the last idle one gets a request, so that requests which block never keep others waiting.
final class SessionLoop: Sendable {
  /// libfuse's session, valid until the loop has ended. Its functions used here may be called by any thread.
  private struct Session: @unchecked Sendable {  // immutable
    let pointer: OpaquePointer
  }

  private struct State {
    var workers = 0
    var idle = 0
    /// Why requests can no longer be taken, where that is not the end of the mount.
    var failure: AofError?
  }

  /// Threads above this number leave when they have nothing to do.
  private static let idleWorkers = 8

  private let session: Session
  private let maxWorkers: Int
  private let logger: Logger
  private let whenReady: @Sendable () -> Void
  private let state = Monitor(State())

  /// `whenReady` is called once, when the kernel and the daemon have settled how they talk.
  init(
    session: OpaquePointer, maxWorkers: Int, logger: Logger, whenReady: @escaping @Sendable () -> Void
  ) {
    self.session = Session(pointer: session)
    self.maxWorkers = max(maxWorkers, 2)
    self.logger = logger
    self.whenReady = whenReady
  }

  /// Answers requests until the kernel ends the connection. Blocks.
  func run() throws(AofError) {
    state.change { $0 = State(workers: 1, idle: 1) }
    do throws(AofError) {
      _ = try SystemThread.start("fuse-0") { [self] in work(isFirst: true) }
    } catch {
      state.change { $0.workers = 0 }
      throw error
    }
    let failure: AofError?? = state.wait { $0.workers == 0 ? .some($0.failure) : nil }
    if let failure, let failure { throw failure }
  }

  private func work(isFirst: Bool) {
    var buffer = fuse_buf()
    defer { free(buffer.mem) }
    // The first request of a connection is the one that settles it.
    var isUnsettled = isFirst
    while receive(&buffer) {
      let grows = state.withLock { state in
        state.idle -= 1
        guard state.idle == 0, state.workers < maxWorkers else { return false }
        state.workers += 1
        state.idle += 1
        return true
      }
      if grows { addWorker() }
      fuse_session_process_buf(session.pointer, &buffer)
      if isUnsettled {
        isUnsettled = false
        whenReady()
      }
      let leaves = state.withLock { state in
        if state.idle < Self.idleWorkers {
          state.idle += 1
          return false
        }
        return true
      }
      if leaves { return state.change { $0.workers -= 1 } }
    }
    state.change { state in
      state.idle -= 1
      state.workers -= 1
    }
  }

  private func addWorker() {
    do throws(AofError) {
      _ = try SystemThread.start("fuse") { [self] in work(isFirst: false) }
    } catch {
      logger.warning("requests may have to wait: \(error)")
      state.change { state in
        state.workers -= 1
        state.idle -= 1
      }
    }
  }

  /// Waits for a request. False when there will be none.
  private func receive(_ buffer: inout fuse_buf) -> Bool {
    while true {
      let result = fuse_session_receive_buf(session.pointer, &buffer)
      if result > 0 { return true }
      // The second if the connection ended while a request was handed out.
      if result == 0 || result == -ECONNABORTED { return false }
      if result == -EINTR || result == -EAGAIN { continue }
      let error = AofError.systemCall("read", "/dev/fuse", errno: -result)
      logger.critical("requests can no longer be taken: \(error)")
      state.change { $0.failure = error }
      return false
    }
  }
}
