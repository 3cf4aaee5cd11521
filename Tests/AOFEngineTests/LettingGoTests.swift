import AOFCore
import AOFSystem
import Testing

@testable import AOFEngine

/// A store that nobody holds any more leaves nothing in memory, and no descriptor.
@Suite struct LettingGoTests {
  @Test(arguments: [true, false]) func aStoreIsLetGo(closed: Bool) throws {
    let store = TestStore()
    weak let manager = try store.manager()
    weak let log = try store.log()
    weak let wal = log?.wal
    try log?.append([UInt8](repeating: 1, count: 200_000))
    try log?.append([2])
    try log?.sync()
    try log?.sealTail()
    try log?.append([3])
    if closed { try store.close() } else { store.abandon() }
    #expect(manager == nil && log == nil && wal == nil)
  }
}
