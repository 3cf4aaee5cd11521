/// What the kernel may hold and know of the end of one log, decided by rule alone.
///
/// Two things can make a cached reader see zeros where bytes are.
///
/// The kernel fills what lies behind the tail in its last page with zeros, so that page must go before a
/// reader can learn of bytes appended to it: from the answer to the append, or from the log's size. Telling
/// the kernel costs more than the append, so it is told only when a READ may have filled the page; and until
/// it is told, the size that it gets is the one before.
///
/// And when the kernel takes a size from us that is not the one it has, it stores it and then, in a second
/// step that may come late, zeros what its pages hold behind it: by then, perhaps, the next append's bytes. So
/// it must never take a size that is news. A writing program's task stores the size of its append by itself,
/// without the second step, but only some time after the append was answered; until then, a size that another
/// task asks for is first pushed with the append's last byte, which stores the size in that harmless way and
/// makes the kernel drop the size that comes with the answer. A size sampled before an append was announced
/// needs no such care: it is what the kernel has, or the kernel sees that it is older than what it has.
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
  /// Shrinks only when the log is cut.
  private(set) var announced: UInt64 = 0

  /// The append that ``announced`` comes from, until the kernel is known to have stored that size.
  /// INVARIANT: if nil, the kernel's size of the log is ``announced`` or more.
  private(set) var unstored: Append?

  /// How often the log was cut.
  private(set) var life = 0

  /// An append that was made.
  struct Append: Hashable {
    var range: Range<UInt64>
    var lastByte: UInt8
    /// Who made it.
    var task: TaskID
    /// Whether the kernel knows that the bytes went there.
    var isExpected = true
    /// What ``TailPage/willAppend(tail:)`` said.
    var life = 0

    var news: SizeNews { SizeNews(size: range.upperBound, lastByte: lastByte) }
  }

  enum AfterAppend: Equatable {
    /// Nobody can have stale pages.
    case reply
    /// Drop the pages from this offset, then reply.
    case invalidate(from: UInt64)
    /// Drop the pages from the offset; after ``didInvalidate(_:)`` push the size and drop its last page, which
    /// the kernel takes for filled; after ``didStore(_:)`` reply.
    case invalidateAndPush(from: UInt64, SizeNews)
  }

  /// The size that the kernel may be told.
  enum Size: Hashable {
    case known(UInt64)
    /// Push the size first.
    case news(SizeNews)
    /// The size is being pushed by the append itself: tell it when the kernel has got what it was sent.
    case pushed(UInt64)

    var value: UInt64 {
      switch self {
      case .known(let size): size
      case .news(let news): news.size
      case .pushed(let size): size
      }
    }
  }

  init(pageSize: UInt64) { self.pageSize = pageSize }

  func pageStart(_ offset: UInt64) -> UInt64 { offset & ~(pageSize &- 1) }

  /// To be called for each cached READ, before it looks at the tail for its answer. `tail` is any earlier
  /// tail: between cuts tails only grow, so a READ below the page of an old one is below the page of every later one.
  mutating func willRead(upTo end: UInt64, tail: UInt64) {
    if end > pageStart(tail) { mayBeCached = true }
  }

  /// The size to tell to `task`. `tail` is the tail, looked at before.
  mutating func size(tail: UInt64, for task: TaskID) -> Size {
    if appendsUnderWay == 0 { catchUp(tail) }
    guard let append = unstored else { return .known(announced) }
    if append.isExpected, task == append.task, task != .unknown {
      // It asks after its write(2) returned.
      unstored = nil
      return .known(announced)
    }
    return endsBehindPageStart(announced) ? .pushed(announced) : .news(append.news)
  }

  /// To be called when the kernel has got the news.
  mutating func didStore(_ news: SizeNews) {
    if news.size == announced { unstored = nil }
  }

  /// Whether the last byte below `size` is the first of its page. Pushed, it makes the kernel take that page
  /// for filled. So this is done only while the append that it ends waits, and no other can fill the page.
  private func endsBehindPageStart(_ size: UInt64) -> Bool { size & (pageSize &- 1) == 1 }

  /// To be called before each append, with the tail as it was. The append belongs to the life that is returned.
  @discardableResult
  mutating func willAppend(tail: UInt64) -> Int {
    if appendsUnderWay == 0 { catchUp(tail) }
    appendsUnderWay += 1
    return life
  }

  /// To be called instead of ``didAppend(_:)`` when nothing was appended.
  mutating func didNotAppend() { appendsUnderWay -= 1 }

  /// To be called after each append, when its bytes are visible. An append behind one whose invalidation is
  /// under way waits for it too.
  mutating func didAppend(_ append: Append) -> AfterAppend {
    let endsBehindPageStart = endsBehindPageStart(append.range.upperBound)
    guard mayBeCached || invalidationsPending > 0 || !append.isExpected || endsBehindPageStart else {
      announce(append)
      return .reply
    }
    mayBeCached = false
    invalidationsPending += 1
    // Another append may lie before this one, unannounced, and it then counts on this invalidation too.
    let offset = pageStart(min(announced, append.range.lowerBound))
    return endsBehindPageStart ? .invalidateAndPush(from: offset, append.news) : .invalidate(from: offset)
  }

  /// To be called when the pages are gone that an append asked to drop.
  mutating func didInvalidate(_ append: Append) {
    invalidationsPending -= 1
    announce(append)
  }

  /// To be called when the log was cut at `lsn`, before all its pages are dropped. Any page may be the tail's now, with
  /// old bytes in it, so the next append drops pages again. Appends that were under way are not announced: they may lie
  /// in what was cut off. Once they are done, the tail is announced when somebody looks at it.
  mutating func didCut(at lsn: UInt64) {
    life += 1
    mayBeCached = true
    announced = min(announced, lsn)
    unstored = nil
  }

  private mutating func announce(_ append: Append) {
    appendsUnderWay -= 1
    guard append.life == life, append.range.upperBound > announced else { return }
    announced = append.range.upperBound
    unstored = append
  }

  /// With no append under way, the tail is what the kernel may know: at the first look at a log.
  private mutating func catchUp(_ tail: UInt64) {
    guard tail > announced else { return }
    announced = tail
    unstored = nil
  }
}
