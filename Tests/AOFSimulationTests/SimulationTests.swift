import Foundation
import Testing

/// Scripts that seeds make up, run on the real engine: whatever the machine does to it, it keeps its promises.
///
/// A failure prints its seed, and the shortest script found that still fails. `AOFS_SIMULATION_SEED` runs that seed alone.
@Suite struct SimulationTests {
  /// Seeds are dealt out to as many tests, which run beside each other.
  private static let hands = 4

  @Test(arguments: 0..<hands) func theEngineKeepsItsPromises(hand: Int) throws {
    for seed in Seeds.chosen where seed % UInt64(Self.hands) == UInt64(hand) { try check(seed) }
  }

  /// Seeds beyond those of an ordinary run that once found something.
  @Test(arguments: [1883, 5895, 7737]) func whatWasFoundStaysMended(seed: UInt64) throws { try check(seed) }

  private func check(_ seed: UInt64) throws {
    let script = Script(seed: seed)
    guard try Simulation.run(script).violation != nil else { return }
    let shortest = try Shrinking.shortest(script)
    let outcome = try Simulation.run(shortest)
    Issue.record(
      """
      seed \(seed): \(outcome.violation.map(String.init(describing:)) ?? "no violation when it is run again")
      \(shortest.steps.count) of \(script.steps.count) steps are enough:
      \(outcome.trace.text(operations: true))
      """)
  }

  @Test func aSeedAlwaysDoesTheSame() throws {
    for seed in [UInt64](1...20) {
      let script = Script(seed: seed)
      let (first, second) = (try Simulation.run(script), try Simulation.run(script))
      #expect(first.trace.hash == second.trace.hash, "seed \(seed)")
    }
  }
}

enum Seeds {
  private static func number(_ name: String) -> UInt64? { ProcessInfo.processInfo.environment[name].flatMap(UInt64.init) }

  /// The seeds of a run: the one that is asked for, or as many as the scale says.
  static var chosen: [UInt64] {
    if let seed = number("AOFS_SIMULATION_SEED") { return [seed] }
    let scale = number("AOFS_TEST_SCALE") ?? 1
    return Array(1...(scale > 1 ? 500 * scale : 300))
  }
}

/// Makes a script that fails shorter.
enum Shrinking {
  /// Leaves out runs of steps, shorter and shorter ones, for as long as the rest still fails.
  static func shortest(_ script: Script, flaw: Flaw? = nil) throws -> Script {
    var script = script
    var length = script.steps.count / 2
    while length > 0 {
      var start = 0
      while start < script.steps.count {
        var shorter = script
        shorter.steps.removeSubrange(start..<min(start + length, script.steps.count))
        if try Simulation.run(shorter, flaw: flaw).violation != nil { script = shorter } else { start += length }
      }
      length /= 2
    }
    return script
  }
}
