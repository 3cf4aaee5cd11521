import AOFCore
import AOFFileSystem
import AOFSystem
import CFuse3
import Synchronization

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

  private let session = Mutex<Session?>(nil)
  private let tails: WorkQueue
  private let logs: WorkQueue

  /// - Throws: `system(EAGAIN)` when the process may start no more threads.
  package init() throws(AofError) {
    tails = try WorkQueue(name: "notify-tail", threads: 1)
    logs = try WorkQueue(name: "notify-log", threads: 1)
  }

  package func invalidateTail(_ node: NodeID, from offset: UInt64, whenDone: @escaping @Sendable () -> Void) {
    invalidate(node, from: offset, on: tails, whenDone)
  }

  package func invalidateAll(_ node: NodeID, whenDone: @escaping @Sendable () -> Void) {
    invalidate(node, from: 0, on: logs, whenDone)
  }

  /// As ``invalidateAll(_:whenDone:)``, and waits until it is done. For threads that may wait for the remote:
  /// a READ of the log may be waiting for it, and the kernel waits for the READ.
  package func invalidateAllAndWait(_ node: NodeID) {
    let done = Monitor(false)
    invalidateAll(node) { done.change { $0 = true } }
    done.wait { $0 ? () : nil }
  }

  package func push(_ news: SizeNews, of node: NodeID, whenDone: @escaping @Sendable () -> Void) {
    notify(on: tails, whenDone) { session in
      guard var byte = news.lastByte else {
        // Without pages, this only makes the kernel take the attributes that it has as newer than the answer's.
        _ = fuse_lowlevel_notify_inval_inode(session, node.rawValue, -1, 0)
        return
      }
      withUnsafeMutableBytes(of: &byte) { byte in
        var bytes = fuse_bufvec()
        bytes.count = 1
        bytes.buf.size = byte.count
        bytes.buf.mem = byte.baseAddress
        _ = fuse_lowlevel_notify_store(session, node.rawValue, off_t(clamping: news.size) - 1, &bytes, fuse_buf_copy_flags(0))
      }
    }
  }

  private func invalidate(
    _ node: NodeID, from offset: UInt64, on queue: WorkQueue, _ whenDone: @escaping @Sendable () -> Void
  ) {
    notify(on: queue, whenDone) { session in
      _ = fuse_lowlevel_notify_inval_inode(session, node.rawValue, off_t(clamping: offset), 0)
    }
  }

  /// Errors of `body` are not looked at: the kernel does not know the node then, or is gone, and holds no pages.
  private func notify(
    on queue: WorkQueue, _ whenDone: @escaping @Sendable () -> Void,
    _ body: @escaping @Sendable (OpaquePointer) -> Void
  ) {
    let queued = queue.add { [self] in
      if let session = session.withLock({ $0 }) { body(session.pointer) }
      whenDone()
    }
    if !queued { whenDone() }
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
