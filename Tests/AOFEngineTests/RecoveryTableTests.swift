import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// Every combination of what a recovery decides by, with one outcome each.
@Suite struct RecoveryTableTests {
  @Test("Each combination has the outcome of the table", arguments: RecoveryCase.Frame.allCases)
  func table(_ frame: RecoveryCase.Frame) throws {
    let template = try Self.template()
    for row in RecoveryCase.all where row.frame == frame {
      let store = try Self.copy(of: template.store)
      let scene = RecoveryScene(
        row: row, storeID: template.storeID, firstSequence: template.firstSequence, logs: template.logs)
      try scene.write(to: store)
      let expected = RecoveryOutcome(row)
      #expect(try Self.outcome(of: store, scene) == expected, "\(row)")
      // And the verdict stays.
      try store.close()
      var later = expected
      later.report = .nothing
      #expect(try Self.outcome(of: store, scene) == later, "\(row), opened again")
    }
  }

  @Test func nothingIsLeftOut() {
    #expect(RecoveryCase.all.count == 5 * 3 * 2 * (1 + 4 * 4))
    #expect(Set(RecoveryCase.all).count == RecoveryCase.all.count)
  }

  // MARK: Scenes

  private struct Template {
    let store: TestStore
    let storeID: StoreID
    let firstSequence: UInt64
    let logs: (first: LogID, other: LogID)
  }

  private static func template() throws -> Template {
    let store = small()
    let logs = (first: try store.log("first").id, other: try store.log("other").id)
    try store.close()
    let manifest = try Manifest.open(store.file("manifest.sqlite").path)
    defer { try? manifest.close() }
    let directory = try #require(try manifest.walDirectories().first)
    return Template(
      store: store, storeID: try StoreOpening.storeID(manifest.settings()), firstSequence: directory.firstSequence,
      logs: logs)
  }

  private static func small() -> TestStore {
    let store = TestStore(inMemory: true)
    store.environment = Environment(
      disk: SystemDisk(), clock: SystemClock(), random: { UInt64.random(in: .min ... .max) },
      walSegmentSize: RecoveryScene.segmentSize)
    return store
  }

  private static func copy(of store: TestStore) throws -> TestStore {
    let copy = small()
    try FileManager.default.createDirectory(at: copy.directory, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: store.path, toPath: copy.path)
    return copy
  }

  /// What the store makes of it.
  private static func outcome(of store: TestStore, _ scene: RecoveryScene) throws -> RecoveryOutcome {
    var found = RecoveryOutcome()
    let (first, other) = (try store.log("first"), try store.log("other"))
    found.frames = try #require((0...3).first { try first.contents() == scene.contents(frames: $0) })
    found.otherFrames = try #require((1...2).first { try other.contents() == scene.otherContents(frames: $0) })
    found.isCut = first.generation > .first
    found.isOtherCut = other.generation > .first
    found.isClosed = first.failure?.code == .readOnly
    #expect(other.failure == nil, "\(scene.row)")
    let reports = try store.manager().incidents.map(\.message)
    found.report =
      reports.contains { $0.contains("damaged") }
      ? .damaged : reports.contains { $0.contains("torn") } ? .torn : .nothing
    #expect(found.report != .nothing || reports.isEmpty, "\(reports)")
    return found
  }
}
