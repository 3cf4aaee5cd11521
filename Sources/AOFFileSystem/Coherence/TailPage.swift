/// What the kernel may hold and know of the end of one log, decided by rule alone.
///
/// The kernel fills what lies behind the tail in its last page with zeros, so that page must go before a
/// reader can learn of bytes appended to it: from the answer to the append, or from the log's size. Telling
/// the kernel costs more than the append, so it is told only when a READ may have filled the page; and until
/// it is told, the size that it gets is the one before.
struct TailPage: Equatable {
  /// In bytes, a power of two.
  let pageSize: UInt64

  /// INVARIANT: true if a cached READ that was answered, or is being answered, reached into the page of the
  /// tail or beyond, and no invalidation was begun since the READ noted it.
  private(set) var mayBeCached = false

  /// Appends that were begun and are not announced.
  private(set) var appendsUnderWay = 0

  /// Invalidations that were asked for and are not done.
  private(set) var invalidationsPending = 0

  /// INVARIANT: no page that the kernel holds lacks bytes below this LSN, and sizes told were at most this.
  /// Never shrinks.
  private(set) var announced: UInt64 = 0

  /// What ``announced`` was one append ago.
  ///
  /// The kernel applies a size in two steps: it stores it, then zeros what its pages hold behind it. When it
  /// learns of an append by fstat just before the append's own answer, the second step may wait for a READ of
  /// the page, and zero what the next append put there. So a READ counts as one of the tail's page for one
  /// append longer, and its page is dropped once more.
  private(set) var announcedBefore: UInt64 = 0

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
    if end > pageStart(min(tail, announcedBefore)) { mayBeCached = true }
  }

  /// The size that the kernel may be told. `tail` is the tail, looked at before.
  mutating func size(tail: UInt64) -> UInt64 {
    if appendsUnderWay == 0 { catchUp(tail) }
    return announced
  }

  /// To be called before each append, with the tail as it was.
  mutating func willAppend(tail: UInt64) {
    if appendsUnderWay == 0 { catchUp(tail) }
    appendsUnderWay += 1
  }

  /// To be called instead of ``didAppend(_:isExpected:)`` when nothing was appended.
  mutating func didNotAppend() { appendsUnderWay -= 1 }

  /// To be called after each append, when its bytes are visible. `isExpected` says whether the kernel knows
  /// that they went there. An append behind one whose invalidation is under way waits for it too.
  mutating func didAppend(_ range: Range<UInt64>, isExpected: Bool) -> AfterAppend {
    guard mayBeCached || invalidationsPending > 0 || !isExpected else {
      announce(range.upperBound)
      return .reply
    }
    mayBeCached = false
    invalidationsPending += 1
    // Another append may lie before this one, unannounced, and it then counts on this invalidation too.
    return .invalidate(from: pageStart(min(announcedBefore, range.lowerBound)))
  }

  /// To be called when the pages are gone that an append up to `end` asked to drop.
  mutating func didInvalidate(upTo end: UInt64) {
    invalidationsPending -= 1
    announce(end)
  }

  private mutating func announce(_ end: UInt64) {
    appendsUnderWay -= 1
    guard end > announced else { return }
    announcedBefore = announced
    announced = end
  }

  /// With no append under way, the tail is what the kernel may know: at the first look at a log.
  private mutating func catchUp(_ tail: UInt64) {
    guard tail > announced else { return }
    announced = tail
    announcedBefore = tail
  }
}
