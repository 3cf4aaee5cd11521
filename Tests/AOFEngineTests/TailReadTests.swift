import AOFCore
import AOFEngine
import AOFManifest
import AOFSystem
import Foundation
import Testing

/// Reads of the tail beside what turns it into something else.
@Suite struct TailReadTests {
  private func faulty() -> (TestStore, FaultyDisk) {
    let store = TestStore()
    let disk = FaultyDisk()
    store.environment = disk.environment
    return (store, disk)
  }

  /// The seal ends in the middle of the span that the read has planned.
  @Test func aReadOfTheTailSurvivesASealOfItsFirstPart() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    let (small, large) = ([UInt8](repeating: 1, count: 500), [UInt8](repeating: 2, count: 70_000))
    try log.append(small)
    let (reading, sealed) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let (syncs, reads) = (Once(), Once())
    let results = Results()
    disk.before { operation throws(AofError) in
      guard operation.path.hasSuffix(".chunk") else { return }
      if operation.kind == .sync, syncs.first() {
        // The seal has picked its end. A large append goes to the chunk file at once, and a read takes in both.
        try log.append(large)
        results.run {
          let contents = try log.contents()
          #expect(contents == small + large)
        }
        reading.wait()
      } else if operation.kind == .read, reads.first() {
        reading.signal()
        sealed.wait()
      }
    }
    #expect(try log.sealTail() == 0..<500)
    sealed.signal()
    #expect(results.wait() == 0)
  }

  /// What an earlier process left is verified when it is first read; by then it may be evicted.
  @Test func aReadOfTheInheritedTailSurvivesItsEviction() throws {
    let (store, disk) = faulty()
    let bytes = [UInt8](repeating: 3, count: 5000)
    try store.log().append(bytes)
    try store.close()
    let log = try store.log()
    let once = Once()
    disk.before { operation throws(AofError) in
      guard operation.kind == .read, operation.path.hasSuffix(".chunk"), once.first() else { return }
      try log.checkpoint()
      try log.evict()
    }
    #expect(try log.contents() == bytes)
  }
}
