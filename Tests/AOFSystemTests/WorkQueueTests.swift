import AOFCore
import AOFSystem
import Glibc
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(60))) struct WorkQueueTests {
  @Test func oneThreadKeepsTheOrder() throws {
    let queue = try WorkQueue(name: "order", threads: 1)
    let seen = Monitor<[Int]>([])
    for index in 0..<1000 { #expect(queue.add { seen.change { $0.append(index) } }) }
    queue.close()
    #expect(seen.withLock { $0 } == Array(0..<1000))
  }

  @Test func closingFinishesWhatIsQueued() throws {
    let queue = try WorkQueue(name: "drain", threads: 3)
    let gate = Monitor(false)
    let done = Atomic(0)
    for _ in 0..<50 {
      queue.add {
        gate.wait { $0 ? () : nil }
        done.add(1, ordering: .relaxed)
      }
    }
    let opener = try SystemThread.start("opener") { gate.change { $0 = true } }
    queue.close()
    opener.join()
    let doneNow = done.load(ordering: .relaxed)
    #expect(doneNow == 50)
  }

  @Test func afterCloseJobsAreDropped() throws {
    let queue = try WorkQueue(name: "closed", threads: 2)
    queue.close()
    let ran = Atomic(false)
    #expect(!queue.add { ran.store(true, ordering: .relaxed) })
    queue.close()
    let ranNow = ran.load(ordering: .relaxed)
    #expect(!ranNow)
  }

  @Test func threadsWorkAtTheSameTime() throws {
    let queue = try WorkQueue(name: "pair", threads: 2)
    let arrived = Monitor(0)
    // Each job ends only when the other has begun.
    for _ in 0..<2 {
      queue.add {
        arrived.change { $0 += 1 }
        arrived.wait { $0 == 2 ? () : nil }
      }
    }
    queue.close()
    #expect(arrived.withLock { $0 } == 2)
  }

  @Test func aJobMayAddAJob() throws {
    let queue = try WorkQueue(name: "nested", threads: 1)
    let added = Monitor(false)
    queue.add { _ = queue.add { added.change { $0 = true } } }
    added.wait { $0 ? () : nil }
    queue.close()
  }

  @Test func timedJobsComeInTheOrderOfTheirTimes() throws {
    let queue = try WorkQueue(name: "timed", threads: 1)
    let seen = Monitor<[Int]>([])
    // The first one that is waited for is not the first one that is added.
    #expect(queue.add(after: 3_600_000) { seen.change { $0.append(3) } })
    #expect(queue.add(after: 60) { seen.change { $0.append(2) } })
    #expect(queue.add(after: 20) { seen.change { $0.append(1) } })
    #expect(queue.add(after: -5) { seen.change { $0.append(0) } })
    #expect(seen.wait { $0.count == 3 ? $0 : nil } == [0, 1, 2])
    // What is not due is dropped, and not waited for.
    queue.close()
    #expect(!queue.add(after: 0) { seen.change { $0.append(4) } })
    #expect(seen.withLock { $0.count } == 3)
  }

  @Test func aTimedJobHoldsNoOtherUp() throws {
    let queue = try WorkQueue(name: "timed", threads: 2)
    let done = Monitor(0)
    queue.add(after: 3_600_000) {}
    for _ in 0..<100 { queue.add { done.change { $0 += 1 } } }
    done.wait { $0 == 100 ? () : nil }
    queue.close()
  }

  @Test func joinWaitsForTheBody() throws {
    let gate = Monitor(false)
    let finished = Atomic(false)
    let thread = try SystemThread.start("joined") {
      gate.wait { $0 ? () : nil }
      finished.store(true, ordering: .releasing)
    }
    gate.change { $0 = true }
    thread.join()
    let finishedNow = finished.load(ordering: .acquiring)
    #expect(finishedNow)
    thread.join()
  }

  @Test(arguments: [
    ("short", "short"), ("exactly-fifteen", "exactly-fifteen"), ("sixteen-is-more!", "sixteen-is-more"),
    ("ääääääääää", "äääääää\u{FFFD}"), ("", ""),
  ])
  func threadNames(_ name: String, _ kept: String) throws {
    let found = Monitor("")
    try SystemThread.start(name) {
      var buffer = [CChar](repeating: 0, count: 64)
      pthread_getname_np(pthread_self(), &buffer, buffer.count)
      let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      found.change { $0 = String(decoding: bytes, as: UTF8.self) }
    }.join()
    #expect(found.withLock { $0 } == kept)
  }
}
