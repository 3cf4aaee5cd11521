import AOFCore

/// The kernel's page cache, seen from here: pages can be dropped from it.
///
/// Neither call blocks. The kernel waits for READs of the pages that it drops, so each kind runs on a thread
/// of its own: dropping a whole log may wait for a READ that waits for the remote, and appends must not.
package protocol KernelCache: Sendable {
  /// Drops the pages from the one that holds `offset` to the end, and the cached attributes. `whenDone` is
  /// called once, in the order of the calls, also when there is no kernel to tell.
  func invalidateTail(_ node: NodeID, from offset: UInt64, whenDone: @escaping @Sendable () -> Void)

  /// Drops all pages and the cached attributes.
  func invalidateAll(_ node: NodeID, whenDone: @escaping @Sendable () -> Void)
}

/// No kernel at all: for tests, and for a file system that nothing is mounted on.
package struct NoKernelCache: KernelCache {
  package init() {}
  package func invalidateTail(_ node: NodeID, from offset: UInt64, whenDone: @escaping @Sendable () -> Void) {
    whenDone()
  }
  package func invalidateAll(_ node: NodeID, whenDone: @escaping @Sendable () -> Void) { whenDone() }
}
