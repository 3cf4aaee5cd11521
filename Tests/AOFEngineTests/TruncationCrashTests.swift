import AOFCore
import AOFEngine
import AOFManifest
import AOFSystem
import Foundation
import Testing

/// A script of trims and cuts, with the power cut after each of its disk operations in turn.
///
/// Whatever the moment: the log has the head and the generation from before a truncation or from after it, nothing that
/// was acknowledged is lost, and bytes that were cut off never come back.
@Suite struct TruncationCrashTests {
  /// A state in which the log may be found.
  private struct Model {
    var head = 0
    var bytes: [UInt8] = []
    /// Where appends ended in this generation.
    var ends: Set<Int> = [0]
    var durable = 0

    /// Whether a log with this head and these bytes from there on may be found.
    func explains(head: LSN, contents: [UInt8]) -> Bool {
      let end = Int(head.rawValue) + contents.count
      return Int(head.rawValue) == self.head && end >= durable && ends.contains(end)
        && contents.elementsEqual(bytes.prefix(end).dropFirst(self.head))
    }
  }

  /// Runs until the power is gone. `models`: the state now and, while a truncation runs, the one it leads to.
  /// A background thread may find the power gone first; what is answered after that, from memory and the manifest alone,
  /// counts no more.
  private func script(_ store: TestStore, _ models: inout [Model], isCut: Once = Once()) throws {
    var noise = Noise(seed: 41)
    var model = Model()
    func append(_ count: Int) throws {
      if isCut.isDone { throw AofError(.localFailure, "the power is gone") }
      let bytes = noise.bytes(count)
      model.bytes += bytes
      model.ends.insert(model.bytes.count)
      models = [model]
      try store.log().append(bytes)
    }
    func durably(_ body: (Aof) throws -> Void) throws {
      try body(store.log())
      if isCut.isDone { throw AofError(.localFailure, "the power is gone") }
      model.durable = model.bytes.count
      models = [model]
    }
    func truncate(_ direction: TruncationRequest.Direction, _ lsn: Int) throws {
      var next = model
      switch direction {
      case .head: next.head = lsn / 4096 * 4096
      case .tail:
        next.bytes = Array(model.bytes[..<lsn])
        next.ends = [lsn]
        next.durable = lsn
      }
      models = [model, next]
      try store.log().truncate(TruncationRequest(direction, at: LSN(rawValue: UInt64(lsn))))
      if isCut.isDone { throw AofError(.localFailure, "the power is gone") }
      model = next
      models = [model]
    }
    try append(150_000)
    try append(30_000)
    try durably { try $0.sync() }
    try append(500)
    // Unsealed bytes go.
    try truncate(.tail, 170_000)
    try append(2000)
    try durably { try $0.sync() }
    try truncate(.head, 10_000)
    try append(200_000)
    try durably { try $0.checkpoint() }
    try store.log().evict()
    // The extent that is split is evicted; then its object goes.
    try truncate(.tail, 300_000)
    try append(40_000)
    try durably { try $0.checkpoint() }
    try truncate(.head, 290_000)
    store.abandon()
    try append(5000)
    try truncate(.tail, 340_001)
    try append(70_000)
    try durably { try $0.sync() }
    try truncate(.tail, 340_001)
    try append(10)
    try store.close()
    model.durable = model.bytes.count
    models = [model]
    try durably { try $0.checkpoint() }
  }

  private func operationCount() throws -> Int {
    let (store, disk) = (TestStore(inMemory: true), FaultyDisk())
    store.environment = disk.environment
    var models: [Model] = []
    try script(store, &models)
    let log = try store.log()
    #expect(try models[0].explains(head: log.watermarks.head, contents: log.contents(from: log.watermarks.head)))
    return disk.operations
  }

  @Test func aTruncationIsThereWholeOrNotAtAll() throws {
    try FaultyDisk.cutPowerEverywhere(in: operationCount(), from: [Model]()) { store, models, isCut in
      try script(store, &models, isCut: isCut)
    } check: { try check($0, $1, $2) }
  }

  private func check(_ copy: TestStore, _ models: [Model], _ context: Comment) throws {
    guard try copy.manager().resolve(LogPath("log")) != nil else { return #expect(models.allSatisfy { $0.durable == 0 }) }
    let log = try copy.log()
    let head = log.watermarks.head
    let contents = try log.contents(from: head)
    #expect(
      models.isEmpty || models.contains { $0.explains(head: head, contents: contents) }, "\(head), \(contents.count), \(context)")
    try log.append([1, 2, 3])
    try log.checkpoint()
    try log.evict()
    #expect(try log.contents(from: head) == contents + [1, 2, 3], context)
    #expect(try log.verify(remote: true).problems == [], context)
    copy.waitForMaintenance()
    try copy.close()
  }
}
