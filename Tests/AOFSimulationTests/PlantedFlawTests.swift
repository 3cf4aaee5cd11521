import Testing

/// The simulation finds mistakes: each flaw that is planted is noticed within a number of seeds, and the same scripts show
/// nothing without it.
@Suite struct PlantedFlawTests {
  private static let seeds: ClosedRange<UInt64> = 1...500

  @Test(arguments: Flaw.allCases) func aPlantedFlawIsFound(_ flaw: Flaw) throws {
    for seed in Self.seeds {
      let script = Script(seed: seed, revealing: flaw)
      let violation = try Simulation.run(script, flaw: flaw).violation
      guard let text = violation?.description, flaw.explains(text) else { continue }
      let other = try Simulation.run(script).violation
      #expect(other == nil, "seed \(seed) without \(flaw): \(other.map(String.init(describing:)) ?? "")")
      return
    }
    Issue.record("\(flaw) went unnoticed in \(Self.seeds.count) seeds")
  }
}
