import Testing

@testable import AOFFileSystem

@Suite("The page of the tail")
struct TailPageTests {
  @Test("an append that no cached read preceded is answered at once")
  func quiet() {
    var page = TailPage(pageSize: 4096)
    #expect(page.didAppend(at: 100, isExpected: true) == .reply)
    page.willRead(upTo: 8192, tail: 9000)
    #expect(page.didAppend(at: 9000, isExpected: true) == .reply)
  }

  @Test("an append drops the pages from its own on after a read that reached it")
  func afterRead() {
    var page = TailPage(pageSize: 4096)
    page.willRead(upTo: 8193, tail: 9000)
    #expect(page.didAppend(at: 9000, isExpected: true) == .invalidate(from: 8192))
    page.didInvalidate()
    #expect(page.didAppend(at: 9100, isExpected: true) == .reply)
  }

  @Test("an append waits for the invalidation of the one before it")
  func behindAnother() {
    var page = TailPage(pageSize: 4096)
    page.willRead(upTo: 131072, tail: 5000)
    #expect(page.didAppend(at: 5000, isExpected: true) == .invalidate(from: 4096))
    #expect(page.didAppend(at: 9000, isExpected: true) == .invalidate(from: 8192))
    page.didInvalidate()
    page.didInvalidate()
    #expect(page.didAppend(at: 9001, isExpected: true) == .reply)
  }

  @Test("a read during the invalidation is noted for the next append")
  func readDuringInvalidation() {
    var page = TailPage(pageSize: 4096)
    page.willRead(upTo: 4096, tail: 10)
    #expect(page.didAppend(at: 10, isExpected: true) == .invalidate(from: 0))
    page.willRead(upTo: 4096, tail: 20)
    page.didInvalidate()
    #expect(page.didAppend(at: 20, isExpected: true) == .invalidate(from: 0))
  }

  @Test("bytes that went elsewhere than the kernel believes are always announced")
  func unexpected() {
    var page = TailPage(pageSize: 4096)
    #expect(page.didAppend(at: 5000, isExpected: false) == .invalidate(from: 4096))
  }

  /// The kernel's side in a few lines: a page that was filled below `tail` must be gone before a reader can
  /// learn of more bytes in it, which is when an append is answered.
  @Test("no order of reads and appends leaves a stale page behind an answered append", arguments: 0..<200)
  func noStalePage(seed: UInt64) {
    var random = SplitMix(state: seed)
    var page = TailPage(pageSize: 4096)
    var tail: UInt64 = 0
    // For each cached page, the bytes of the log that it holds.
    var cached: [UInt64: UInt64] = [:]
    for _ in 0..<300 {
      if random.next() % 3 == 0 {
        let first = random.next() % (tail / 4096 + 2)
        let end = (first + 1 + random.next() % 4) * 4096
        page.willRead(upTo: end, tail: tail)
        for number in first..<end / 4096 where cached[number] == nil { cached[number] = tail }
      } else {
        let start = tail
        tail += random.next() % 6000 + 1
        if case .invalidate(let from) = page.didAppend(at: start, isExpected: true) {
          cached = cached.filter { $0.key < from / 4096 }
          page.didInvalidate()
        }
        for (number, known) in cached {
          #expect(known >= min(tail, (number + 1) * 4096), "page \(number) lacks bytes")
        }
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
