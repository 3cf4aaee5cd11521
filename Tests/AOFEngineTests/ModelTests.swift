import AOFCore
import AOFEngine
import Foundation
import Testing

/// Random operations on real logs, against arrays of bytes. A failure prints its seed.
@Suite struct ModelTests {
  private static var seeds: [UInt64] {
    let scale = ProcessInfo.processInfo.environment["AOFS_TEST_SCALE"].flatMap(UInt64.init) ?? 1
    return Array(1...(8 * scale))
  }

  @Test(arguments: seeds) func logsAgreeWithTheirModel(seed: UInt64) throws {
    var noise = Noise(seed: seed)
    var store = TestStore()
    var models: [String: [UInt8]] = ["a": [], "b/c": []]
    for name in models.keys.sorted() { _ = try store.log(name) }
    for step in 0..<150 {
      let name = models.keys.sorted()[noise.below(2)]
      let log = try store.log(name)
      let model = models[name] ?? []
      let context: Comment = "seed \(seed), step \(step), log \(name)"
      switch noise.below(20) {
      case 0..<9:
        let bytes = noise.bytes(noise.below(8) == 0 ? 1 + noise.below(200_000) : 1 + noise.below(2000))
        #expect(try log.append(bytes).rawValue == UInt64(model.count), context)
        models[name] = model + bytes
      case 9: try log.sync()
      case 10: try log.sealTail()
      case 11: try log.checkpoint()
      case 12: try log.evict(keepingLast: noise.below(2) * 150_000)
      case 13: try log.hydrate()
      case 14: try store.close()
      case 15:
        let copy = try store.crashed()
        try store.close()
        store = copy
      default:
        let start = noise.below(model.count + 1)
        let count = noise.below(300_000)
        let expected = Array(model[start...].prefix(count))
        #expect(try log.bytes(at: LSN(rawValue: UInt64(start)), count: count) == expected, context)
      }
      let marks = try store.log(name).watermarks
      #expect(marks.remote <= marks.sealed && marks.sealed <= marks.durable && marks.durable <= marks.tail, context)
    }
    for (name, model) in models {
      #expect(try store.log(name).contents() == model, "seed \(seed), log \(name)")
      #expect(try store.log(name).verify(remote: true).problems.isEmpty, "seed \(seed), log \(name)")
    }
  }
}
