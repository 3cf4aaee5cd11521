import AOFCore
import AOFManifest
import AOFSystem
import Foundation
import Testing

/// SQLite's own journal, as a killed process leaves it.
@Suite("Damage in SQLite's journal") struct JournalTests {
  let store: TestStore
  private let journal: String

  /// Ten transactions that no checkpoint has moved into the database.
  init() throws {
    store = try TestStore()
    let manifest = try store.create()
    for index in 0..<10 { _ = try manifest.addTestLog("log-\(index)") }
    let copy = store.directory + "/copy"
    try FileManager.default.copyItem(atPath: store.path, toPath: copy)
    try FileManager.default.copyItem(atPath: store.path + "-wal", toPath: copy + "-wal")
    journal = copy + "-wal"
  }

  private func problem() throws -> String? {
    try Manifest.journalProblem(of: store.directory + "/copy", on: SystemDisk())
  }

  private func flip(_ offset: Int) throws {
    var bytes = try Data(contentsOf: URL(fileURLWithPath: journal))
    bytes[offset] ^= 1
    try bytes.write(to: URL(fileURLWithPath: journal))
  }

  @Test func aSoundJournalIsSound() throws {
    #expect(try problem() == nil)
    #expect(try Manifest.journalProblem(of: store.directory + "/none", on: SystemDisk()) == nil)
  }

  @Test(arguments: [40, 60, 32 + 24 + 2000, 32 + 3 * (24 + 4096) + 100])
  func damageBeforeLaterTransactionsIsFound(_ offset: Int) throws {
    try flip(offset)
    // A salt that does not match ends the journal for SQLite too, and may be an earlier life's.
    if (40..<48).contains(offset) { return #expect(try problem() == nil) }
    #expect(try problem()?.contains("damaged") == true)
  }

  /// A power cut may leave the frames of the last transaction in any state.
  @Test func theLastTransactionMayBeTorn() throws {
    let size = try Data(contentsOf: URL(fileURLWithPath: journal)).count
    try flip(size - 100)
    #expect(try problem() == nil)
  }

  @Test func whatIsNoJournalIsNone() throws {
    try flip(0)
    #expect(try problem() == nil)
    try Data([1, 2]).write(to: URL(fileURLWithPath: journal))
    #expect(try problem() == nil)
  }
}
