import Testing

@testable import AOFFileSystem

@Suite("The page of the tail")
struct TailPageTests {
  private func append(_ range: Range<UInt64>, to page: inout TailPage, isExpected: Bool = true) -> TailPage.AfterAppend {
    page.willAppend(tail: range.lowerBound)
    return page.didAppend(appended(range, isExpected: isExpected))
  }

  private func appended(_ range: Range<UInt64>, isExpected: Bool = true) -> TailPage.Append {
    TailPage.Append(range: range, lastByte: 0x2a, task: writer, isExpected: isExpected)
  }

  private let writer = TaskID(rawValue: 77)
  private let other = TaskID(rawValue: 78)

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
    page.didInvalidate(appended(9000..<9100))
    #expect(append(9100..<9200, to: &page) == .reply)
  }

  @Test("the kernel gets the old size from the begin of an append until its pages are gone")
  func sizes() {
    var page = TailPage(pageSize: 4096)
    #expect(page.size(tail: 9000, for: other).value == 9000)
    page.willRead(upTo: 12288, tail: 9000)
    page.willAppend(tail: 9000)
    #expect(page.size(tail: 9100, for: other).value == 9000)
    #expect(page.didAppend(appended(9000..<9100)) == .invalidate(from: 8192))
    #expect(page.size(tail: 9100, for: other).value == 9000)
    page.didInvalidate(appended(9000..<9100))
    #expect(page.size(tail: 9100, for: other).value == 9100)
    #expect(page.size(tail: 9000, for: other).value == 9100, "a look at the tail from before must not shrink the log")
  }

  @Test("a size is news to the kernel until it was pushed, or its writer asks")
  func news() {
    var page = TailPage(pageSize: 4096)
    #expect(append(0..<9000, to: &page) == .reply)
    let news = SizeNews(size: 9000, lastByte: 0x2a)
    #expect(page.size(tail: 9000, for: other) == .news(news))
    #expect(page.size(tail: 9000, for: .unknown) == .news(news))
    page.didStore(SizeNews(size: 8000, lastByte: 0x2a))
    #expect(page.size(tail: 9000, for: other) == .news(news), "an older size says nothing of this one")
    page.didStore(news)
    #expect(page.size(tail: 9000, for: other) == .known(9000))
    #expect(append(9000..<9100, to: &page) == .reply)
    #expect(page.size(tail: 9100, for: writer) == .known(9100))
    #expect(page.size(tail: 9100, for: other) == .known(9100))
  }

  @Test("an unseen writer is not taken for the unseen program that asks")
  func unseenWriter() {
    var page = TailPage(pageSize: 4096)
    page.willAppend(tail: 0)
    #expect(page.didAppend(TailPage.Append(range: 0..<10, lastByte: 1, task: .unknown)) == .reply)
    #expect(page.size(tail: 10, for: .unknown) == .news(SizeNews(size: 10, lastByte: 1)))
  }

  @Test("a byte that begins a page is pushed by its append alone")
  func pageStart() {
    var page = TailPage(pageSize: 4096)
    let news = SizeNews(size: 4097, lastByte: 0x2a)
    #expect(append(10..<4097, to: &page) == .invalidateAndPush(from: 0, news))
    #expect(page.size(tail: 4097, for: other) == .known(10))
    page.didInvalidate(appended(10..<4097))
    #expect(page.size(tail: 4097, for: other) == .pushed(4097))
    page.didStore(news)
    #expect(page.size(tail: 4097, for: other) == .known(4097))
  }

  @Test("the size of the first look at a log is no news")
  func firstLook() {
    var page = TailPage(pageSize: 4096)
    #expect(page.size(tail: 5000, for: other) == .known(5000))
  }

  @Test("an append that failed changes nothing")
  func failure() {
    var page = TailPage(pageSize: 4096)
    page.willRead(upTo: 4096, tail: 10)
    page.willAppend(tail: 10)
    page.didNotAppend()
    #expect(page.size(tail: 10, for: other).value == 10)
    #expect(append(10..<20, to: &page) == .invalidate(from: 0))
  }

  @Test("an append waits for the invalidation of the one before it, and drops that one's pages too")
  func behindAnother() {
    var page = TailPage(pageSize: 4096)
    page.willRead(upTo: 131072, tail: 5000)
    #expect(append(5000..<9000, to: &page) == .invalidate(from: 4096))
    #expect(append(9000..<9001, to: &page) == .invalidate(from: 4096))
    page.didInvalidate(appended(5000..<9000))
    page.didInvalidate(appended(9000..<9001))
    #expect(append(9001..<9002, to: &page) == .reply)
  }

  @Test("a read during the invalidation is noted for the next append")
  func readDuringInvalidation() {
    var page = TailPage(pageSize: 4096)
    page.willRead(upTo: 4096, tail: 10)
    #expect(append(10..<20, to: &page) == .invalidate(from: 0))
    page.willRead(upTo: 4096, tail: 20)
    page.didInvalidate(appended(10..<20))
    #expect(append(20..<30, to: &page) == .invalidate(from: 0))
  }

  @Test("after a cut the size shrinks, any page may be stale, and appends from before are not announced")
  func cut() {
    var page = TailPage(pageSize: 4096)
    #expect(append(0..<9000, to: &page) == .reply)
    #expect(page.size(tail: 9000, for: writer) == .known(9000))
    let life = page.willAppend(tail: 9000)
    page.didCut(at: 100)
    #expect(page.size(tail: 100, for: other) == .known(100))
    // The append went to 9000..<9050, and was cut off.
    var late = appended(9000..<9050)
    late.life = life
    #expect(page.didAppend(late) == .invalidate(from: 0))
    page.didInvalidate(late)
    #expect(page.size(tail: 100, for: other) == .known(100))
    let next = page.willAppend(tail: 100)
    #expect(next == life + 1)
    var append = appended(100..<200)
    append.life = next
    #expect(page.didAppend(append) == .reply)
    #expect(page.size(tail: 200, for: writer) == .known(200))
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
    var pending: [(from: UInt64, append: TailPage.Append)] = []
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
        switch page.didAppend(appended(range)) {
        case .reply: known = max(known, range.upperBound)
        case .invalidate(let from), .invalidateAndPush(let from, _): pending.append((from, appended(range)))
        }
      case 3 where !pending.isEmpty:
        let (from, append) = pending.removeFirst()
        cached = cached.filter { $0.key < from / 4096 }
        page.didInvalidate(append)
        known = max(known, append.range.upperBound)
      default: break
      }
      let size = page.size(tail: tail, for: other).value
      #expect(size >= known && size <= tail)
      known = size
      for (number, filled) in cached {
        #expect(filled >= min(known, (number + 1) * 4096), "page \(number) lacks bytes")
      }
    }
  }

  @Test("a kernel with several writers and readers never shows zeros, nor a size that shrinks", arguments: 0..<400)
  func kernel(seed: UInt64) {
    var model = KernelModel(seed: seed, pushes: true)
    model.run(steps: 2000)
    #expect(model.faults.isEmpty, "seed \(seed): \(model.faults)")
  }

  /// So the model knows the fault that the pushing is for.
  @Test("a kernel that takes sizes which are news shows zeros")
  func kernelWithoutPushes() {
    let faults = (0..<400).reduce(into: 0) { count, seed in
      var model = KernelModel(seed: UInt64(seed), pushes: false)
      model.run(steps: 2000)
      if model.faults.contains(where: { $0.contains("holds zeros") }) { count += 1 }
    }
    #expect(faults > 0)
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
