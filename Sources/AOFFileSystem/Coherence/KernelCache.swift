import AOFCore

/// The kernel's page cache, seen from here: pages can be dropped from it, and sizes be pushed to it.
///
/// No call blocks. The kernel waits for READs of the pages concerned, so each kind runs on a thread of its
/// own: dropping a whole log may wait for a READ that waits for the remote, and appends must not.
package protocol KernelCache: Sendable {
  /// Drops the pages from the one that holds `offset` to the end, and the cached attributes. `whenDone` is
  /// called once, in the order of the calls, also when there is no kernel to tell.
  func invalidateTail(_ node: NodeID, from offset: UInt64, whenDone: @escaping @Sendable () -> Void)

  /// Drops all pages and the cached attributes.
  func invalidateAll(_ node: NodeID, whenDone: @escaping @Sendable () -> Void)

  /// Makes the kernel drop what it was told of the log by answers that it did not get yet, and store the size
  /// if there is a byte to store it with. `whenDone` is called as by ``invalidateTail(_:from:whenDone:)``.
  func push(_ news: SizeNews, of node: NodeID, whenDone: @escaping @Sendable () -> Void)
}

/// A size of a log that the kernel may not know.
package struct SizeNews: Hashable, Sendable {
  /// In bytes.
  package var size: UInt64
  /// The byte before that; nil where it cannot be pushed. A reader who is told the size may then find the log
  /// shorter, until the task that appended has run.
  package var lastByte: UInt8?
}

/// No kernel at all: for tests, and for a file system that nothing is mounted on.
package struct NoKernelCache: KernelCache {
  package init() {}
  package func invalidateTail(_ node: NodeID, from offset: UInt64, whenDone: @escaping @Sendable () -> Void) {
    whenDone()
  }
  package func invalidateAll(_ node: NodeID, whenDone: @escaping @Sendable () -> Void) { whenDone() }
  package func push(_ news: SizeNews, of node: NodeID, whenDone: @escaping @Sendable () -> Void) { whenDone() }
}
