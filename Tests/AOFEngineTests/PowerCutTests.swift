import AOFCore
import AOFEngine
import AOFManifest
import AOFSystem
import Foundation
import Testing

/// One script, with the power cut after each of its disk operations in turn.
///
/// Whatever the moment, and whatever unsynced pages and names happen to survive: what `sync`, `sealTail` or
/// `checkpoint` acknowledged is there, a log ends where an append ended, and the store goes on.
@Suite struct PowerCutTests {
  /// What the script appended and what was acknowledged as durable, for each log.
  private struct Model {
    var bytes: [String: [UInt8]] = [:]
    /// Where appends ended.
    var ends: [String: Set<Int>] = [:]
    var durable: [String: Int] = [:]

    mutating func append(_ new: [UInt8], to name: String) {
      bytes[name, default: []] += new
      ends[name, default: [0]].insert(bytes[name]?.count ?? 0)
    }

    mutating func allDurable(_ name: String) { durable[name] = bytes[name]?.count ?? 0 }
  }

  private static let names = ["a", "b/c"]

  /// Runs until the power is gone. An append counts from when it is called: it may be there without an answer.
  private func script(_ store: TestStore, _ model: inout Model) throws {
    var noise = Noise(seed: 11)
    func append(_ count: Int, _ name: String) throws {
      let log = try store.log(name)
      let bytes = noise.bytes(count)
      model.append(bytes, to: name)
      try log.append(bytes)
    }
    func durably(_ name: String, _ body: (Aof) throws -> Void) throws {
      try body(try store.log(name))
      model.allDurable(name)
    }
    for name in Self.names {
      try append(300, name)
      try append(5000, name)
      try durably(name) { try $0.sync() }
      try append(700, name)
    }
    try durably("a") { try $0.sealTail() }
    try append(150_000, "a")
    try append(10, "a")
    try durably("a") { try $0.sync() }
    try durably("b/c") { try $0.checkpoint() }
    try append(40_000, "b/c")
    try store.log("a").setTailSegment(store.log("a").prepareTailSegment(startingAt: store.log("a").tailLSN))
    try append(90, "a")
    try durably("a") { try $0.checkpoint() }
    try store.log("a").evict()
    try append(20_000, "a")
    try durably("b/c") { try $0.sync() }
    // Killed, then recovered.
    store.abandon()
    try append(1000, "a")
    try durably("a") { try $0.sync() }
    try append(80_000, "b/c")
    try store.close()
    for name in Self.names { model.allDurable(name) }
    try append(33, "a")
    try durably("a") { try $0.sealTail() }
    try append(44, "b/c")
    try durably("b/c") { try $0.sync() }
  }

  /// How many operations the whole script takes.
  private func operationCount() throws -> Int {
    let (store, disk) = (TestStore(inMemory: true), FaultyDisk())
    store.environment = disk.environment
    var model = Model()
    try script(store, &model)
    for name in Self.names { #expect(try store.log(name).contents() == model.bytes[name]) }
    return disk.operations
  }

  @Test func nothingAcknowledgedIsLostAndNothingIsHalfThere() throws {
    try FaultyDisk.cutPowerEverywhere(in: operationCount(), from: Model()) { store, model, _ in
      try script(store, &model)
    } check: { try check($0, $1, $2) }
  }

  private func check(_ copy: TestStore, _ model: Model, _ context: Comment) throws {
    for name in Self.names {
      let manager = try copy.manager()
      guard manager.resolve(try LogPath(name)) != nil else {
        #expect(model.durable[name] == nil, context)
        continue
      }
      let log = try copy.log(name)
      let contents = try log.contents()
      #expect(contents.count >= model.durable[name] ?? 0, context)
      #expect(model.ends[name, default: [0]].contains(contents.count), context)
      #expect(contents.elementsEqual(model.bytes[name, default: []].prefix(contents.count)), context)
      #expect(log.failure == nil, context)
      try log.append([1, 2, 3])
      try log.sealTail()
      #expect(try log.contents() == contents + [1, 2, 3], context)
      #expect(try log.verify(remote: true).problems == [], context)
    }
    try copy.close()
  }
}
