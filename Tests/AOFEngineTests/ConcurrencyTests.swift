import AOFCore
import AOFManifest
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// Everything at once on one log.
@Suite struct ConcurrencyTests {
  /// The byte that belongs at an LSN.
  private static func byte(at lsn: Int) -> UInt8 { UInt8(truncatingIfNeeded: (lsn &* 2_654_435_761) >> 13) }

  /// Appends hand the committer's role from one to the next, so others would wait for a pause that never comes.
  @Test func theCommittersRoleComesFirstToThoseWhoDoNotAppend() throws {
    let store = TestStore()
    let log = try store.log()
    let state = log.wal.state
    let (results, goOn) = (Results(), DispatchSemaphore(value: 0))
    results.run {
      try log.wal.asCommitter { () throws(AofError) in
        goOn.wait()
        // Woken by nobody: this thread has the role, and nothing else changes the state.
        while state.withLock({ $0.roleWaiters.isEmpty || $0.queue.isEmpty }) { usleep(100) }
      }
    }
    while state.withLock({ !$0.isCommitting }) { usleep(100) }
    results.run { try log.append([1]) }
    results.run { try log.wal.asCommitter { () throws(AofError) in #expect(log.tailLSN == 0) } }
    goOn.signal()
    #expect(results.wait() == 0)
    #expect(log.tailLSN == 1)
  }

  /// A checkpoint that waits for the remote may outlast its store, and must find it closed, not gone.
  @Test func aStoreThatIsClosedAnswersWithAnError() throws {
    let store = TestStore()
    let log = try store.log()
    try log.append([1])
    try log.sealTail()
    let manager = try store.manager()
    try store.close()
    #expect(#expect(throws: AofError.self) { try manager.createLog(AofConfig(name: "other")) }?.code == .readOnly)
    #expect(throws: AofError.self) { try log.extents() }
    #expect(throws: AofError.self) { try log.sealTail() }
    #expect(throws: AofError.self) { try log.append([2]) }
  }

  @Test func readersSeeTheLogWhileItIsAppendedSealedUploadedAndEvicted() throws {
    let store = TestStore(inMemory: true)
    let log = try store.log()
    let total = 3_000_000
    let results = Results()
    let isDone = Monitor(false)
    results.run {
      defer { isDone.change { $0 = true } }
      var noise = Noise(seed: 21)
      var position = 0
      while position < total {
        let count = noise.below(6) == 0 ? 1 + noise.below(150_000) : 1 + noise.below(3000)
        let bytes = (0..<count).map { Self.byte(at: position + $0) }
        try log.append(bytes)
        if noise.below(10) == 0 { try log.sync() }
        position += count
      }
    }
    for work in 0..<3 {
      results.run {
        while !isDone.withLock({ $0 }) {
          switch work {
          case 0: try log.sealTail()
          case 1: try log.checkpoint()
          default: try log.evict()
          }
          usleep(2000)
        }
      }
    }
    for seed in 1...3 {
      results.run {
        var noise = Noise(seed: UInt64(seed))
        while !isDone.withLock({ $0 }) {
          let tail = Int(log.tailLSN.rawValue)
          let start = noise.below(2) == 0 ? noise.below(tail + 1) : max(0, tail - noise.below(200_000))
          let count = 1 + noise.below(200_000)
          let bytes = try log.bytes(at: LSN(rawValue: UInt64(start)), count: count)
          guard bytes.count >= min(count, tail - start) else { throw AofError(.corrupt, "a short read at \(start)") }
          if let wrong = bytes.indices.first(where: { bytes[$0] != Self.byte(at: start + $0) }) {
            throw AofError(.corrupt, "a wrong byte at \(start + wrong)")
          }
        }
      }
    }
    #expect(results.wait() == 0, "\(results.messages)")
    let copy = try store.crashed()
    let bytes = try copy.log().contents()
    #expect(bytes.count >= total)
    #expect(bytes.indices.allSatisfy { bytes[$0] == Self.byte(at: $0) })
    #expect(try log.verify(remote: true).problems == [])
    #expect(try store.manager().incidents.map(\.message) == [])
  }

  @Test func whatIsEvictedWhileItIsVerifiedIsNotTakenForDamaged() throws {
    let store = TestStore(chunkSize: try ChunkSize(.mebibytes(4)), inMemory: true)
    let log = try store.log()
    let results = Results()
    for _ in 0..<200 {
      try log.append([1])
      try log.sealTail()
    }
    try log.checkpoint()
    let last = LSN(rawValue: 199)..<log.tailLSN
    let isDone = Monitor(false)
    results.run {
      while !isDone.withLock({ $0 }) {
        try log.evict()
        try log.hydrate(last)
      }
    }
    for _ in 0..<1000 { #expect(try log.verify().problems == []) }
    isDone.change { $0 = true }
    #expect(results.wait() == 0, "\(results.messages)")
  }
}
