import AOFSystem
import Foundation
import Testing

extension FaultyDisk {
  /// Runs `script` again and again, each time on a store of its own whose power is cut after one more operation, and
  /// checks the copy that a power cut leaves: with nothing of what was not synced, and with a part of it.
  ///
  /// - Parameters:
  ///   - operations: how many the whole script takes.
  ///   - stride: at the ordinary scale each of both is done after every `stride` operations, at larger ones after each.
  ///   - initial: what the script changes as it goes on, for the check.
  ///   - script: gets to know when the power is gone, and must throw only then.
  static func cutPowerEverywhere<Expectation>(
    in operations: Int, stride: Int = 2, from initial: Expectation,
    _ script: (TestStore, inout Expectation, Once) throws -> Void,
    check: (TestStore, Expectation, Comment) throws -> Void
  ) throws {
    let scale = ProcessInfo.processInfo.environment["AOFS_TEST_SCALE"].flatMap(Int.init) ?? 1
    for count in 0..<operations {
      if scale > 1 || count % stride == 0 {
        try cutPower(after: count, keeping: .none, from: initial, script, check)
      }
      if scale > 1 || count % stride == stride / 2 {
        try cutPower(after: count, keeping: .some(seed: UInt64(count + 1)), from: initial, script, check)
      }
    }
  }

  private static func cutPower<Expectation>(
    after count: Int, keeping survivors: Survivors, from initial: Expectation,
    _ script: (TestStore, inout Expectation, Once) throws -> Void,
    _ check: (TestStore, Expectation, Comment) throws -> Void
  ) throws {
    let context: Comment = "cut after \(count), keeping \(survivors)"
    let (store, copy) = (TestStore(inMemory: true), TestStore(inMemory: true))
    let disk = FaultyDisk()
    store.environment = disk.environment
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    try FileManager.default.createDirectory(at: copy.directory, withIntermediateDirectories: true)
    let (from, to) = (store.path, copy.path)
    let isCut = Once()
    disk.cutPower(after: count) { state in
      _ = isCut.first()
      guard FileManager.default.fileExists(atPath: from) else { return }
      do { try powerCut(state, of: from, to: to, keeping: survivors) } catch { Issue.record(error, context) }
    }
    var expectation = initial
    do {
      try script(store, &expectation, isCut)
    } catch {
      #expect(isCut.isDone, "\(error), \(context)")
    }
    // What closing the store does is not a part of the script, and its directory goes soon.
    disk.keepPower()
    guard isCut.isDone else { return }
    do { try check(copy, expectation, context) } catch { Issue.record(error, context) }
  }
}
