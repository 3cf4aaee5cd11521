import AOFCore
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// What must go on when the disk is full, or descriptors run out.
@Suite struct SpaceReserveTests {
  private func faulty() -> (TestStore, FaultyDisk) {
    let (store, disk) = (TestStore(inMemory: true), FaultyDisk())
    store.environment = disk.environment
    store.options.reserve = 1 << 20
    return (store, disk)
  }

  private func hasReserve(_ store: TestStore) -> Bool { FileManager.default.fileExists(atPath: store.file("reserve").path) }

  @Test func sealingFinishesOnAFullDisk() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    #expect(hasReserve(store))
    try log.append([1, 2, 3])
    disk.fail(.write, ".chunk", errno: ENOSPC)
    try log.sealTail()
    #expect(log.watermarks.sealed == 3)
    #expect(!hasReserve(store), "the space was given up")
    // Appends would take the space from what it was given up for.
    disk.fail(.allocate, "reserve", errno: ENOSPC)
    #expect(#expect(throws: AofError.self) { try log.append([4]) }?.code == .noSpace)
    disk.fail(.allocate, "reserve", errno: ENOSPC)
    #expect(#expect(throws: AofError.self) { try log.append([UInt8](repeating: 4, count: 100_000)) }?.code == .noSpace)
    #expect(log.tailLSN == 3)
    try log.append([4])
    #expect(hasReserve(store), "there is space again")
    // Once given up there is nothing more to give.
    disk.fail(.write, ".chunk", errno: ENOSPC)
    try log.sealTail()
    disk.fail(.allocate, "reserve", errno: ENOSPC)
    #expect(throws: AofError.self) { try log.append([5]) }
    #expect(log.tailLSN == 4)
    try log.append([5])
    disk.fail(.write, ".chunk", errno: ENOSPC)
    try log.sealTail()
    #expect(log.watermarks.sealed == 5 && log.failure == nil)
    try store.manager().checkpoint()
    store.waitForMaintenance()
    #expect(hasReserve(store), "there is space again")
  }

  @Test func aFullDiskIsOpened() throws {
    let (store, disk) = faulty()
    try store.log().append([1, 2, 3])
    store.abandon()
    #expect(hasReserve(store))
    disk.fail(.write, ".chunk", errno: ENOSPC)
    #expect(try store.log().contents() == [1, 2, 3])
  }

  @Test func aMissingDescriptorIsNoFailedSync() throws {
    let (store, disk) = faulty()
    let log = try store.log()
    try log.append([1])
    disk.fail(.syncDirectory, "/chunks/", errno: EMFILE)
    #expect(#expect(throws: AofError.self) { try log.sealTail() }?.errno == EMFILE)
    #expect(log.failure == nil)
    try log.append([2])
    try log.sealTail()
    let copy = TestStore(inMemory: true)
    try FileManager.default.createDirectory(at: copy.directory, withIntermediateDirectories: true)
    try disk.powerCut(of: store.path, to: copy.path, keeping: .none)
    #expect(try copy.log().contents() == [1, 2])
    disk.fail(.syncDirectory, "/chunks/", errno: EIO)
    try log.append([UInt8](repeating: 3, count: 200_000))
    #expect(throws: AofError.self) { try log.sealTail() }
    #expect(log.failure != nil, "a failed sync stays")
  }
}
