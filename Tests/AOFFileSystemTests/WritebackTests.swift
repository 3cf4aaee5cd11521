import AOFCore
import AOFEngine
import AOFSystem
import Glibc
import Testing

@testable import AOFFileSystem

@Suite("Writeback") struct WritebackTests {
  private func withLog(pageSize: Int = PageCacheModel.pageSize, _ body: (WritebackFixture) throws -> Void) throws {
    let fixture = try WritebackFixture(pageSize: pageSize)
    do { try body(fixture) } catch {
      try fixture.close()
      throw error
    }
    try fixture.close()
  }

  private func bytes(_ count: Int, _ seed: Int = 1) -> [UInt8] {
    var random = SplitMix(state: UInt64(seed))
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) | 1 }
  }

  @Test("a piece is taken from where the log ends, or held")
  func decisions() {
    #expect(PieceDecision(0..<100, tail: 0) == .take(repeated: 0))
    #expect(PieceDecision(0..<100, tail: 40) == .take(repeated: 40))
    #expect(PieceDecision(0..<100, tail: 100) == .take(repeated: 100))
    #expect(PieceDecision(0..<100, tail: 5000) == .take(repeated: 100))
    #expect(PieceDecision(4096..<5000, tail: 4096) == .take(repeated: 0))
    #expect(PieceDecision(4096..<5000, tail: 4095) == .hold)
  }

  @Test("held pieces have their turn in order, and only those far ahead wait for their answer")
  func held() {
    var held = HeldPieces()
    func piece(_ start: UInt64, _ count: Int) -> HeldPieces.Piece {
      HeldPieces.Piece(start: start, bytes: [UInt8](repeating: 1, count: count))
    }
    let starts: [(start: UInt64, count: Int)] = [
      (8192, 100), (4096, 4096), (8192, 300), (HeldPieces.window + 9, 1), (HeldPieces.window + 10, 1),
    ]
    let areWritten = starts.map { held.hold(piece($0.start, $0.count), tail: 10) }
    #expect(areWritten == [true, true, true, true, false])
    #expect(held.endOfGap(tail: 10) == 4096 && held.ready(tail: 10) == nil && held.end == HeldPieces.window + 11)
    #expect(held.endOfGap(tail: 4096) == nil)
    var order: [Range<UInt64>] = []
    while let next = held.ready(tail: 9000) {
      order.append(next.range)
      held.remove(next)
    }
    #expect(order == [4096..<8192, 8192..<8292, 8192..<8492])
    #expect(held.endOfGap(tail: 9000) == HeldPieces.window + 9)
  }

  @Test("whatever the order in which pages come, the log is always a beginning of what was written, and in the end all of it",
    arguments: 0..<120)
  func everyOrder(seed: Int) throws {
    try withLog { fixture throws in
      var random = SplitMix(state: UInt64(seed))
      let cache = fixture.cache
      for _ in 0..<60 {
        switch random.next() % 8 {
        case 0...3: cache.write(bytes(1 + Int(random.next() % (random.next() % 4 == 0 ? 90_000 : 700)), Int(random.next() % 1000)))
        case 4...6:
          if let page = cache.dirty.randomElement(&random) { cache.send(from: page, limit: 1 + Int(random.next() % 9)) }
        default:
          #expect(try fixture.sync(&random) == 0)
          #expect(fixture.log.watermarks.durable.rawValue == UInt64(cache.content.count))
        }
        let log = try fixture.bytes()
        #expect(log == Array(cache.content.prefix(log.count)), "seed \(seed)")
      }
      #expect(try fixture.sync(&random) == 0)
      #expect(try fixture.bytes() == cache.content)
      #expect(cache.unanswered == 0)
    }
  }

  @Test("a byte of the log that was changed in the page cache stays what it was, and what was appended behind it is kept")
  func changed() throws {
    try withLog { fixture throws in
      var random = SplitMix(state: 7)
      let old = bytes(10_000)
      fixture.cache.write(old)
      #expect(try fixture.sync(&random) == 0)
      fixture.cache.write([0], at: 9000)
      fixture.cache.write(bytes(50, 2))
      #expect(try fixture.sync(&random) == EPERM)
      #expect(try fixture.bytes() == old + bytes(50, 2))
      #expect(fixture.cache.invalidations == 1)
      // The page is read again, with the log's byte.
      fixture.cache.write([old[9000]], at: 9000)
      fixture.cache.write(bytes(9, 3))
      #expect(try fixture.sync(&random) == 0)
      #expect(try fixture.bytes() == old + bytes(50, 2) + bytes(9, 3))
    }
  }

  @Test("bytes past the end are refused at the next fsync, and the log is there for who opens it again")
  func hole() throws {
    try withLog { fixture throws in
      var random = SplitMix(state: 7)
      let old = bytes(5000)
      fixture.cache.write(old)
      #expect(try fixture.sync(&random) == 0)
      #expect(try fixture.lookUp().generation == 0)
      fixture.cache.write(bytes(10), at: 50_000)
      #expect(try fixture.sync(&random) == EIO)
      #expect(try fixture.bytes() == old)
      // Of the old handle nothing is taken any more, not even what would fit.
      #expect(try fixture.sync(&random) == EIO)
      fixture.cache.write(old + [1])
      fixture.cache.write(old + [2], at: 0)
      #expect(try fixture.sync(&random) == EIO)
      #expect(try fixture.bytes() == old)
      let stale = #expect(throws: AofError.self) { try fixture.files.open(fixture.log.id, WritebackFixture.flags) }
      #expect(stale?.errno == ESTALE)
      #expect(try fixture.lookUp().generation == 1)
      try fixture.reopen()
      fixture.cache.write(bytes(100, 4), at: 5000)
      #expect(try fixture.sync(&random) == 0)
      #expect(try fixture.bytes() == old + bytes(100, 4))
    }
  }

  @Test("what was cut off does not come back with a page that comes after the cut", arguments: [true, false])
  func cutWhilePagesAreUnderWay(isHeld: Bool) throws {
    try withLog { fixture throws in
      var random = SplitMix(state: 7)
      let old = bytes(10_000)
      fixture.cache.write(old)
      #expect(try fixture.sync(&random) == 0)
      fixture.cache.write(bytes(5000, 2))
      if isHeld { fixture.cache.send(from: 3, limit: 1) }
      // The engine has cut the log, and nobody has been told yet.
      try fixture.log.truncate(TruncationRequest(.tail, at: 9000, timeout: .zero))
      fixture.cache.sendAll(&random)
      #expect(fixture.cache.takeErrors().first == EIO)
      #expect(try fixture.bytes() == Array(old[..<9000]))
      fixture.files.didCut(fixture.log.id, at: 9000)
      #expect(try fixture.lookUp().attributes.size == 9000)
      try fixture.reopen()
      fixture.cache.write(bytes(10, 3), at: 9000)
      #expect(try fixture.sync(&random) == 0)
      #expect(try fixture.bytes() == old[..<9000] + bytes(10, 3))
    }
  }

  @Test("what is under way of an inode that was given up meets nothing of the next one")
  func incarnations() throws {
    var state = WritebackState(generation: .first)
    func failed(_ body: () throws(AofError) -> Void) -> Bool {
      do throws(AofError) { try body() } catch { return true }
      return false
    }
    let error = AofError(.noSpace, "full")
    let piece = HeldPieces.Piece(start: 8192, bytes: [1])
    try state.begin(0)
    #expect(try state.hold(piece, of: 0, tail: 0) { _ in })
    let ended = state.end(0, error, generation: .first)
    #expect(ended != nil && state.held.isEmpty && !state.mayOpen)
    // Another piece of the old one fails too: that ends no new one.
    #expect(state.end(0, error, generation: .first) == nil && state.incarnation == 1)
    #expect(failed { () throws(AofError) in try state.begin(0) })
    #expect(failed { () throws(AofError) in _ = try state.hold(piece, of: 0, tail: 0) { _ in } })
    #expect(state.announce() == 1 && !state.mayOpen)
    state.finish(0)
    #expect(state.mayOpen)
    try state.begin(1)
    state.remove(piece, of: 0)
    state.finish(1)
    #expect(state.mayOpen && state.held.isEmpty)
  }

  @Test("pieces far ahead are answered when those before them have come, which the kernel is asked for")
  func farAhead() throws {
    try withLog { fixture throws in
      var random = SplitMix(state: 3)
      let content = [UInt8](repeating: 7, count: Int(HeldPieces.window) + (3 << 20))
      fixture.cache.write(content)
      // Nothing is asked for while nobody waits.
      fixture.cache.send(from: 10)
      #expect(fixture.cache.dropped.isEmpty && fixture.cache.unanswered == 0 && fixture.log.tailLSN == 0)
      fixture.cache.send(from: (Int(HeldPieces.window) + (2 << 20)) / PageCacheModel.pageSize)
      #expect(!fixture.cache.dropped.isEmpty && fixture.cache.unanswered == 0)
      // As far as it takes for the piece to be near.
      #expect(fixture.log.tailLSN.rawValue > 2 << 20 && fixture.log.tailLSN.rawValue < 4 << 20)
      while let first = fixture.cache.dirty.first { fixture.cache.send(from: first) }
      #expect(try fixture.sync(&random) == 0)
      #expect(try fixture.bytes() == content)
    }
  }

  @Test("a page that counts as written is read, though it is held; one that nobody wrote is not invented")
  func readingHeld() throws {
    try withLog { fixture throws in
      let content = bytes(20_000)
      fixture.cache.write(content)
      fixture.cache.send(from: 2, limit: 1)
      #expect(fixture.log.tailLSN == 0)
      // A READ across the gap can only be of pages that are not there.
      for flags in [O_RDONLY, O_RDWR, O_RDONLY | O_DIRECT] {
        #expect(try fixture.read(8192, at: 0, OpenFlags(rawValue: flags)) == .failure(.init(value: EIO)))
      }
      #expect(try fixture.read(4096, at: 8192) == .success(Array(content[8192..<12_288])))
      #expect(fixture.log.tailLSN == 12_288)
    }
  }

  @Test("bytes that are repeated are compared with the log also where they must come from the remote")
  func cold() throws {
    try withLog { fixture throws in
      var random = SplitMix(state: 5)
      fixture.cache.write(bytes(150_000))
      #expect(try fixture.sync(&random) == 0)
      for command in ["checkpoint log", "evict log"] {
        #expect(fixture.files.control.execute(Array(command.utf8), defaultLog: nil).error == nil)
      }
      #expect(try fixture.log.coldBytes(in: nil) == 150_000)
      fixture.cache.write(bytes(100, 2))
      fixture.cache.write([0], at: 50_000)
      fixture.cache.sendAll(&random)
      // The WRITEs are answered by whoever brings the bytes.
      while fixture.cache.unanswered > 0 { sched_yield() }
      #expect(fixture.cache.takeErrors() == [EPERM])
      #expect(try fixture.bytes() == bytes(150_000) + bytes(100, 2))
    }
  }

  @Test("who may gather writes: append-only handles that sync nothing, of logs whose last page is whole")
  func gathering() throws {
    try withLog { fixture throws in
      func bypasses(_ flags: Int32) throws -> Bool {
        let answer = try fixture.files.open(fixture.log.id, OpenFlags(rawValue: flags))
        defer { fixture.files.release(answer.handle) }
        return answer.bypassesCache
      }
      #expect(try !bypasses(O_WRONLY | O_APPEND))
      #expect(try !bypasses(O_RDONLY))
      for flags in [O_WRONLY, O_RDWR, O_RDWR | O_APPEND, O_WRONLY | O_APPEND | O_SYNC, O_WRONLY | O_APPEND | O_DIRECT] {
        #expect(try bypasses(flags), "\(flags)")
      }
    }
  }

  @Test("a log whose last page has lost its beginning is not gathered, and a trim takes whole pages of the kernel's")
  func largePages() throws {
    try withLog(pageSize: 16_384) { fixture throws in
      try fixture.log.append(bytes(40_000))
      try fixture.files.fallocate(fixture.handle, mode: FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset: 0, length: 1 << 20)
      #expect(fixture.log.watermarks.head == 32_768)
      #expect(try !fixture.files.open(fixture.log.id, WritebackFixture.flags).bypassesCache)
      try fixture.log.truncate(TruncationRequest(.head, at: 36_864, timeout: .zero))
      #expect(try fixture.files.open(fixture.log.id, WritebackFixture.flags).bypassesCache)
    }
  }

  @Test("the kernel's news of the time of a write is told from a change of times")
  func times() {
    let time = UnixTime(rawValue: 77)
    var change = AttributeChange()
    change.modificationTime = .at(time)
    #expect(!change.tellsOfWrite)
    change.changeTime = UnixTime(rawValue: 78)
    #expect(!change.tellsOfWrite)
    change.changeTime = time
    #expect(change.tellsOfWrite)
    change.accessTime = .at(time)
    #expect(!change.tellsOfWrite)
  }
}
