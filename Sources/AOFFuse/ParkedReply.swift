import AOFCore
import AOFFileSystem
import AOFSystem
import CFuse3
import Glibc

/// A reply that waits for something. Whoever claims it first answers: the completion, a signal to the caller,
/// or the end of the mount; the others find nothing.
final class ParkedReply: Waiter {
  private struct State: ~Copyable {
    var reply: Reply?
    /// Whether signals come too late.
    var isStaying = false
    /// Whether the answer was EINTR.
    var hasGone = false
    /// While the callback is being registered libfuse may call it under a lock that lies in the request, and
    /// answering would free the request with its lock held. So it only leaves a note.
    var isRegistering = false
    var wasInterrupted = false
  }

  private let state: Lock<State>
  private let isInterruptible: Bool
  private let registry: ParkedReplies

  fileprivate init(_ reply: consuming Reply, isInterruptible: Bool, registry: ParkedReplies) {
    state = Lock(State(reply: reply, isRegistering: isInterruptible))
    self.isInterruptible = isInterruptible
    self.registry = registry
  }

  /// Starts to listen for signals. The object stays alive for libfuse until the reply is claimed; nobody else
  /// claims it before this returns.
  fileprivate func listen(_ request: fuse_req_t) {
    guard isInterruptible else { return }
    fuse_req_interrupt_func(request, parkedReplyInterrupted, Unmanaged.passRetained(self).toOpaque())
    let wasInterrupted = state.withLock { state in
      state.isRegistering = false
      return state.wasInterrupted
    }
    guard wasInterrupted else { return }
    state.withLock { $0.hasGone = true }
    if let reply = claim() { reply.error(EINTR) }
  }

  var hasGone: Bool { state.withLock { $0.hasGone } }

  func stay() -> Bool {
    state.withLock { state in
      state.isStaying = !state.hasGone
      return state.isStaying
    }
  }

  /// The reply, for the first who asks. Never call it in the interrupt callback.
  func claim() -> Reply? {
    guard let reply = state.withLock({ $0.reply.take() }) else { return nil }
    registry.remove(self)
    if isInterruptible {
      reply.stopListening()
      Unmanaged.passUnretained(self).release()
    }
    return reply
  }

  /// In the interrupt callback: answers EINTR unless somebody else answers, or is about to.
  fileprivate func interrupted() {
    let reply: Reply? = state.withLock { state in
      guard !state.isRegistering else {
        state.wasInterrupted = true
        return nil
      }
      guard !state.isStaying, let reply = state.reply.take() else { return nil }
      state.hasGone = true
      return reply
    }
    guard let reply else { return }
    registry.remove(self)
    reply.error(EINTR)
    Unmanaged.passUnretained(self).release()
  }
}

private func parkedReplyInterrupted(_ request: fuse_req_t?, _ data: UnsafeMutableRawPointer?) {
  guard let data else { return }
  Unmanaged<ParkedReply>.fromOpaque(data).takeUnretainedValue().interrupted()
}

/// All parked replies of a mount, so that none outlives it.
final class ParkedReplies: Sendable {
  private let parked = Lock<[ObjectIdentifier: ParkedReply]>([:])

  /// Puts a reply aside. With `isInterruptible`, a signal to the caller answers it with EINTR.
  func park(_ reply: consuming Reply, isInterruptible: Bool) -> ParkedReply {
    let request = reply.request
    let new = ParkedReply(reply, isInterruptible: isInterruptible, registry: self)
    parked.withLock { $0[ObjectIdentifier(new)] = new }
    new.listen(request)
    return new
  }

  fileprivate func remove(_ reply: ParkedReply) { parked.withLock { $0[ObjectIdentifier(reply)] = nil } }

  var count: Int { parked.withLock { $0.count } }

  /// Answers all of them with `errno`.
  func failAll(_ errno: Int32) {
    let all = parked.withLock { Array($0.values) }
    for parked in all {
      if let reply = parked.claim() { reply.error(errno) }
    }
  }
}
