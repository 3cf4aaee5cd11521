import AOFCore
import AOFEngine
import AOFManifest
import Foundation
import Testing

/// Names that a process made and did not live to sync: the next process finds them, and must not take them for durable.
@Suite struct InheritedNamesTests {
  private func faulty() -> (TestStore, FaultyDisk) {
    let store = TestStore()
    let disk = FaultyDisk()
    store.environment = disk.environment
    return (store, disk)
  }

  /// The store as it is when the power was cut and nothing survived that was not synced.
  private func afterPowerCut(_ store: TestStore, _ disk: FaultyDisk) throws -> TestStore {
    let copy = TestStore()
    try FileManager.default.createDirectory(at: copy.directory, withIntermediateDirectories: true)
    try disk.powerCut(of: store.path, to: copy.path, keeping: .none)
    return copy
  }

  @Test func aManifestIsNamedDurablyByWhoOpensIt() throws {
    let (store, disk) = faulty()
    // The first sync of the store's directory is for the WAL's, the second for the manifest.
    disk.fail(.syncDirectory, "/store", errno: EIO, skipping: 1)
    #expect(throws: AofError.self) { try store.manager() }
    try store.log().append([1, 2, 3])
    try store.log().sync()
    let copy = try afterPowerCut(store, disk)
    #expect(try copy.manager().resolve(LogPath("log")) != nil)
    #expect(try copy.log().contents() == [1, 2, 3])
  }
}
