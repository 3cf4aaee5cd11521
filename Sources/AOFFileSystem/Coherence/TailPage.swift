/// Whether the kernel may hold the page at the end of one log, decided by rule alone.
///
/// The kernel fills what lies behind the tail in its last page with zeros, so that page must go before a
/// reader can learn of bytes appended to it. Telling the kernel costs more than the append, so it is told
/// only when a READ may have filled the page.
struct TailPage: Equatable {
  /// In bytes, a power of two.
  let pageSize: UInt64

  /// INVARIANT: true if a cached READ that was answered, or is being answered, reached into the page of the
  /// tail or beyond, and no invalidation was begun since the READ noted it.
  private(set) var mayBeCached = false

  /// Invalidations that were asked for and are not done.
  private(set) var invalidationsPending = 0

  enum AfterAppend: Equatable {
    /// Nobody can have stale pages.
    case reply
    /// Drop the pages from this offset, then reply.
    case invalidate(from: UInt64)
  }

  init(pageSize: UInt64) { self.pageSize = pageSize }

  func pageStart(_ offset: UInt64) -> UInt64 { offset & ~(pageSize &- 1) }

  /// To be called for each cached READ, before it looks at the tail for its answer. `tail` is any earlier
  /// tail: tails only grow, so a READ below the page of an old one is below the page of every later one.
  mutating func willRead(upTo end: UInt64, tail: UInt64) {
    if end > pageStart(tail) { mayBeCached = true }
  }

  /// To be called after each append, when its bytes are visible. `oldEnd` is where they begin, `isExpected`
  /// whether the kernel knows that they went there.
  ///
  /// An append behind one whose invalidation is under way waits for it too: its size tells readers of the
  /// earlier bytes.
  mutating func didAppend(at oldEnd: UInt64, isExpected: Bool) -> AfterAppend {
    guard mayBeCached || invalidationsPending > 0 || !isExpected else { return .reply }
    mayBeCached = false
    invalidationsPending += 1
    return .invalidate(from: pageStart(oldEnd))
  }

  mutating func didInvalidate() { invalidationsPending -= 1 }
}
