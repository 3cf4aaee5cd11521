import AOFFuzzing
import Foundation
import Testing

/// The fuzzers' targets on the inputs that are committed, and on some that are made of them. `Tests/fuzz.sh` looks for
/// new ones.
@Suite struct ReplayTests {
  /// Mutated inputs for each target in an ordinary run.
  private static let mutations = 2000 * scale
  private static let scale = ProcessInfo.processInfo.environment["AOFS_TEST_SCALE"].flatMap(Int.init) ?? 1

  @Test(arguments: FuzzTarget.allCases)
  func corpus(_ target: FuzzTarget) throws {
    let inputs = try Self.inputs(target)
    #expect(inputs.count > target.seeds.count, "the corpus of \(target.rawValue) is missing")
    for (name, input) in inputs {
      #expect(throws: Never.self, "\(name)") { try target.run(input) }
    }
  }

  @Test(arguments: FuzzTarget.allCases)
  func mutations(_ target: FuzzTarget) throws {
    let inputs = try Self.inputs(target).map(\.1)
    let seed = UInt64.random(in: 0...(.max))
    var mutator = Mutator(seed: seed)
    for index in 0..<Self.mutations {
      let input = mutator.mutate(inputs[index % inputs.count], with: inputs[(index / 3) % inputs.count])
      do {
        try target.run(input)
      } catch {
        Issue.record("\(error); seed \(seed), mutation \(index): \(Data(input).base64EncodedString())")
        return
      }
    }
  }

  @Test func everyFolderOfTheCorpusHasATarget() throws {
    let folders = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(Set(folders) == Set(FuzzTarget.allCases.map(\.rawValue)))
  }

  /// A target that breaks its promise is noticed.
  @Test func findings() throws {
    #expect(throws: Finding.self) { try promise(1 + 1 == 3, "arithmetic") }
  }

  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "AOFFuzzing/Corpus")

  /// Each input with its name, those of the corpus first.
  private static func inputs(_ target: FuzzTarget) throws -> [(String, [UInt8])] {
    let folder = folder.appending(path: target.rawValue)
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .sorted { $0.lastPathComponent < $1.lastPathComponent }
    let committed = try files.map { ($0.lastPathComponent, Array(try Data(contentsOf: $0))) }
    return committed + target.seeds.enumerated().map { ("seed \($0.offset)", $0.element) }
  }
}
