import AOFCore
import AOFManifest
import AOFSystem
import Foundation
import GRDB
import Testing

/// The way from one version to the next, on planted steps: version 1 is the first.
@Suite("Upgrading") struct MigrationTests {
  let store: TestStore

  init() throws {
    store = try TestStore()
    let manifest = try store.create()
    _ = try manifest.addTestLog("log")
    try manifest.close()
  }

  private let planted = Migrations(
    to: 3,
    [
      1: { try $0.execute(sql: "ALTER TABLE logs ADD COLUMN colour TEXT") },
      2: { try $0.execute(sql: "UPDATE logs SET colour = 'red'") },
    ])

  private func query<Value: DatabaseValueConvertible & Sendable>(_ sql: String, _ path: String) throws -> Value? {
    let database = try DatabaseQueue(path: path)
    return try database.read { try Value.fetchOne($0, sql: sql) }
  }

  @Test func theCurrentVersionHasNothingToDo() throws {
    let outcome = try Manifest.upgrade(store.path, on: SystemDisk())
    #expect(outcome == UpgradeOutcome(from: 1, to: 1, backup: nil))
    #expect(store.names == ["manifest.sqlite"])
  }

  @Test func anOlderOneTakesEachStepAndIsKept() throws {
    let outcome = try Manifest.upgrade(store.path, planted, on: SystemDisk())
    let backup = store.path + ".version-1"
    #expect(outcome == UpgradeOutcome(from: 1, to: 3, backup: backup))
    #expect(try query("SELECT colour FROM logs", store.path) == "red")
    #expect(try query("PRAGMA user_version", store.path) == 3)
    #expect(try query("PRAGMA user_version", backup) == 1)
    #expect(try query("SELECT count(*) FROM logs", backup) == 1)
    // Again, there is nothing to do; and this version refuses it.
    #expect(try Manifest.upgrade(store.path, planted, on: SystemDisk()).backup == nil)
    #expect(code { () throws(AofError) in _ = try store.open() } == .newerVersion)
    #expect(code { () throws(AofError) in _ = try Manifest.upgrade(store.path, on: SystemDisk()) } == .newerVersion)
  }

  @Test func aStepThatFailsChangesNothing() throws {
    let failing = Migrations(
      to: 3,
      [1: { try $0.execute(sql: "ALTER TABLE logs ADD COLUMN colour TEXT") }, 2: { try $0.execute(sql: "nonsense") }])
    #expect(code { () throws(AofError) in _ = try Manifest.upgrade(store.path, failing, on: SystemDisk()) } != nil)
    try store.open().close()
    #expect(try query("PRAGMA user_version", store.path) == 1)
    #expect(try Manifest.upgrade(store.path, planted, on: SystemDisk()).to == 3)
  }

  @Test func aVersionWithoutAStepIsRefused() throws {
    let holed = Migrations(to: 3, [2: { try $0.execute(sql: "UPDATE logs SET failure = 'x'") }])
    #expect(code { () throws(AofError) in _ = try Manifest.upgrade(store.path, holed, on: SystemDisk()) } == .corrupt)
  }
}
