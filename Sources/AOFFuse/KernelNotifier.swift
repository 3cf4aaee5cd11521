import AOFCore
import AOFFileSystem
import AOFSystem
import CFuse3

/// Tells the kernel to drop pages, and of sizes. Made before the file system, which gets it as its ``KernelCache``; does
/// nothing until something is mounted.
///
/// The kernel waits for READs of the pages it drops. So the notifications have threads of their own: one for
/// the ends of logs, whose READs never wait for the remote, and one for whole logs, whose READs may.
package final class KernelNotifier: KernelCache {
  /// libfuse's session: any thread may notify through it until it is destroyed.
  private struct Session: @unchecked Sendable {  // written once, under the mutex below
    let pointer: OpaquePointer
  }

  private let session = Lock<Session?>(nil)
  private let tails: WorkQueue
  private let logs: WorkQueue

  /// - Throws: `system(EAGAIN)` when the process may start no more threads.
  package init() throws(AofError) {
    tails = try WorkQueue(name: "notify-tail", threads: 1)
    logs = try WorkQueue(name: "notify-log", threads: 1)
  }

  package func tell(_ node: NodeID, _ notices: [TailNotice], whenDone: @escaping @Sendable () -> Void) {
    let queued = tails.add { [self] in
      if let session = session.withLock({ $0 }) {
        for notice in notices { Self.tell(session, node, notice) }
      } else {
        notices.callClosures()
      }
      whenDone()
    }
    if !queued {
      notices.callClosures()
      whenDone()
    }
  }

  package func invalidateAll(_ node: NodeID, whenDone: @escaping @Sendable () -> Void) {
    let queued = logs.add { [self] in
      if let session = session.withLock({ $0 }) { Self.tell(session, node, .invalidate(from: 0)) }
      whenDone()
    }
    if !queued { whenDone() }
  }

  /// As ``invalidateAll(_:whenDone:)``, and waits until it is done. For threads that may wait for the remote:
  /// a READ of the log may be waiting for it, and the kernel waits for the READ.
  package func invalidateAllAndWait(_ node: NodeID) {
    let done = Monitor(false)
    invalidateAll(node) { done.change { $0 = true } }
    done.wait { $0 ? () : nil }
  }

  /// Errors mean that the kernel does not know the node, or is gone: it holds no pages then.
  private static func tell(_ session: Session, _ node: NodeID, _ notice: TailNotice) {
    switch notice {
    case .invalidate(let offset):
      _ = fuse_lowlevel_notify_inval_inode(session.pointer, node.rawValue, off_t(clamping: offset), 0)
    case .drop(let range):
      _ = fuse_lowlevel_notify_inval_inode(
        session.pointer, node.rawValue, off_t(clamping: range.lowerBound), off_t(clamping: range.count))
    case .push(let news):
      var byte = news.lastByte
      withUnsafeMutableBytes(of: &byte) { byte in
        var bytes = fuse_bufvec()
        bytes.count = 1
        bytes.buf.size = byte.count
        bytes.buf.mem = byte.baseAddress
        let offset = off_t(clamping: news.size) - 1
        _ = fuse_lowlevel_notify_store(session.pointer, node.rawValue, offset, &bytes, fuse_buf_copy_flags(0))
      }
    case .call(let closure): closure()
    }
  }

  func attach(_ pointer: OpaquePointer) {
    let session = Session(pointer: pointer)
    self.session.withLock { $0 = session }
  }

  /// Finishes what is queued and ends the threads; later calls do nothing.
  func close() {
    tails.close()
    logs.close()
    session.withLock { $0 = nil }
  }
}
