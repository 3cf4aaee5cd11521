import AOFCore

/// The kernel's page cache, seen from here: pages can be dropped from it, and sizes be pushed to it.
///
/// No call blocks. The kernel waits for READs of the pages concerned, so each kind runs on a thread of its
/// own: dropping a whole log may wait for a READ that waits for the remote, and appends must not.
package protocol KernelCache: Sendable {
  /// Gives notices of the end of a log to the kernel, all in the order of the calls and of the notices.
  /// `whenDone` is called once, in that order, also when there is no kernel to tell.
  func tell(_ node: NodeID, _ notices: [TailNotice], whenDone: @escaping @Sendable () -> Void)

  /// Drops all pages and the cached attributes.
  func invalidateAll(_ node: NodeID, whenDone: @escaping @Sendable () -> Void)
}

/// What the kernel is told of the end of a log.
package enum TailNotice: Sendable {
  /// Drop the pages from the one that holds `offset` to the end, and the cached attributes.
  case invalidate(from: UInt64)
  /// Write the pages that hold bytes of the range, if they are dirty, and drop them.
  case drop(Range<UInt64>)
  /// Store this size, unless the log is longer, and drop what older answers say of it.
  case push(SizeNews)
  /// Nothing; the closure is called, also when there is no kernel.
  case call(@Sendable () -> Void)
}

/// A size of a log that the kernel may not know.
package struct SizeNews: Hashable, Sendable {
  /// In bytes.
  package var size: UInt64
  /// The log's last byte below that: the kernel takes sizes with bytes alone.
  package var lastByte: UInt8
}

/// No kernel at all: for tests, and for a file system that nothing is mounted on.
package struct NoKernelCache: KernelCache {
  package init() {}
  package func tell(_ node: NodeID, _ notices: [TailNotice], whenDone: @escaping @Sendable () -> Void) {
    notices.callClosures()
    whenDone()
  }
  package func invalidateAll(_ node: NodeID, whenDone: @escaping @Sendable () -> Void) { whenDone() }
}

extension [TailNotice] {
  /// What is left to do of the notices where there is no kernel.
  package func callClosures() {
    for case .call(let closure) in self { closure() }
  }
}
