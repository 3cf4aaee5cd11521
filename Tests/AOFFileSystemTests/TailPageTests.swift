import Testing

@testable import AOFFileSystem

@Suite("The page of the tail")
struct TailPageTests {
  private func append(_ range: Range<UInt64>, to page: inout TailPage, isExpected: Bool = true) -> TailPage.AfterAppend {
    page.willAppend(tail: range.lowerBound)
    return page.didAppend(range, isExpected: isExpected)
  }

  @Test("an append that no cached read preceded is answered at once")
  func quiet() {
    var page = TailPage(pageSize: 4096)
    #expect(append(100..<9000, to: &page) == .reply)
    #expect(append(9000..<9100, to: &page) == .reply)
    page.willRead(upTo: 8192, tail: 9100)
    #expect(append(9100..<9200, to: &page) == .reply)
  }

  @Test("an append drops the pages from its own on after a read that reached it")
  func afterRead() {
    var page = TailPage(pageSize: 4096)
    page.willRead(upTo: 8193, tail: 9000)
    #expect(append(9000..<9100, to: &page) == .invalidate(from: 8192))
    page.didInvalidate(upTo: 9100)
    #expect(append(9100..<9200, to: &page) == .reply)
  }

  @Test("the kernel gets the old size from the begin of an append until its pages are gone")
  func sizes() {
    var page = TailPage(pageSize: 4096)
    #expect(page.size(tail: 9000) == 9000)
    page.willRead(upTo: 12288, tail: 9000)
    page.willAppend(tail: 9000)
    #expect(page.size(tail: 9100) == 9000)
    #expect(page.didAppend(9000..<9100, isExpected: true) == .invalidate(from: 8192))
    #expect(page.size(tail: 9100) == 9000)
    page.didInvalidate(upTo: 9100)
    #expect(page.size(tail: 9100) == 9100)
    #expect(page.size(tail: 9000) == 9100, "a look at the tail from before must not shrink the log")
  }

  @Test("a read of the page before the tail's counts for one append longer")
  func lateRead() {
    var page = TailPage(pageSize: 4096)
    #expect(append(4000..<9000, to: &page) == .reply)
    page.willRead(upTo: 4096, tail: 9000)
    #expect(append(9000..<9100, to: &page) == .invalidate(from: 0))
  }

  @Test("an append that failed changes nothing")
  func failure() {
    var page = TailPage(pageSize: 4096)
    page.willRead(upTo: 4096, tail: 10)
    page.willAppend(tail: 10)
    page.didNotAppend()
    #expect(page.size(tail: 10) == 10)
    #expect(append(10..<20, to: &page) == .invalidate(from: 0))
  }

  @Test("an append waits for the invalidation of the one before it, and drops that one's pages too")
  func behindAnother() {
    var page = TailPage(pageSize: 4096)
    page.willRead(upTo: 131072, tail: 5000)
    #expect(append(5000..<9000, to: &page) == .invalidate(from: 4096))
    #expect(append(9000..<9001, to: &page) == .invalidate(from: 4096))
    page.didInvalidate(upTo: 9000)
    page.didInvalidate(upTo: 9001)
    #expect(append(9001..<9002, to: &page) == .reply)
  }

  @Test("a read during the invalidation is noted for the next append")
  func readDuringInvalidation() {
    var page = TailPage(pageSize: 4096)
    page.willRead(upTo: 4096, tail: 10)
    #expect(append(10..<20, to: &page) == .invalidate(from: 0))
    page.willRead(upTo: 4096, tail: 20)
    page.didInvalidate(upTo: 20)
    #expect(append(20..<30, to: &page) == .invalidate(from: 0))
  }

  @Test("bytes that went elsewhere than the kernel believes are always announced")
  func unexpected() {
    var page = TailPage(pageSize: 4096)
    #expect(append(5000..<5001, to: &page, isExpected: false) == .invalidate(from: 4096))
  }

  /// The kernel's side in a few lines: a page that was filled below the tail must be gone before a reader can
  /// learn of more bytes in it, from the size or from the answer to the append.
  @Test("no order of reads, appends and invalidations shows a size that a cached page lacks", arguments: 0..<200)
  func noStalePage(seed: UInt64) {
    var random = SplitMix(state: seed)
    var page = TailPage(pageSize: 4096)
    var tail: UInt64 = 0
    // For each cached page, the bytes of the log that it was filled from.
    var cached: [UInt64: UInt64] = [:]
    // Appends that are visible and not decided on, and invalidations that the kernel has not seen.
    var undecided: [Range<UInt64>] = []
    var pending: [(from: UInt64, end: UInt64)] = []
    var known: UInt64 = 0
    for _ in 0..<400 {
      switch random.next() % 5 {
      case 0:
        let first = random.next() % (tail / 4096 + 2)
        let end = (first + 1 + random.next() % 4) * 4096
        page.willRead(upTo: end, tail: tail)
        for number in first..<end / 4096 where cached[number] == nil { cached[number] = tail }
      case 1:
        page.willAppend(tail: tail)
        let start = tail
        tail += random.next() % 6000 + 1
        undecided.append(start..<tail)
      case 2 where !undecided.isEmpty:
        let range = undecided.remove(at: Int(random.next() % UInt64(undecided.count)))
        switch page.didAppend(range, isExpected: true) {
        case .reply: known = max(known, range.upperBound)
        case .invalidate(let from): pending.append((from, range.upperBound))
        }
      case 3 where !pending.isEmpty:
        let (from, end) = pending.removeFirst()
        cached = cached.filter { $0.key < from / 4096 }
        page.didInvalidate(upTo: end)
        known = max(known, end)
      default: break
      }
      let size = page.size(tail: tail)
      #expect(size >= known && size <= tail)
      known = size
      for (number, filled) in cached {
        #expect(filled >= min(known, (number + 1) * 4096), "page \(number) lacks bytes")
      }
    }
  }
}

struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
