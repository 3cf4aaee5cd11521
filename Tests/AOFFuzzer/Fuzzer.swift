import AOFFuzzing
import Glibc

/// Runs one target under libFuzzer, whose `main` and arguments these are: AOFS_FUZZ_TARGET names the target. Without it
/// the targets are listed; with AOFS_FUZZ_SEEDS the target's seeds are written to that folder, and nothing is run.
@_cdecl("LLVMFuzzerInitialize")
func initialize(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>
) -> Int32 {
  guard let target else {
    print(FuzzTarget.allCases.map(\.rawValue).joined(separator: "\n"))
    exit(getenv("AOFS_FUZZ_TARGET") == nil ? 0 : 2)
  }
  if let folder = getenv("AOFS_FUZZ_SEEDS") { exit(writeSeeds(of: target, String(cString: folder))) }
  return 0
}

private let target: FuzzTarget? = getenv("AOFS_FUZZ_TARGET").flatMap { FuzzTarget(rawValue: String(cString: $0)) }

@_cdecl("LLVMFuzzerTestOneInput")
func runInput(_ bytes: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  do {
    try target?.run(Array(UnsafeBufferPointer(start: bytes, count: size)))
  } catch {
    // libFuzzer keeps the input of a process that aborts.
    let message = "finding: \(error)\n"
    write(STDERR_FILENO, message, message.utf8.count)
    abort()
  }
  return 0
}

private func writeSeeds(of target: FuzzTarget, _ folder: String) -> Int32 {
  for (index, seed) in target.seeds.enumerated() {
    guard let file = fopen("\(folder)/seed-\(index)", "w") else { return 1 }
    fwrite(seed, 1, seed.count, file)
    guard fclose(file) == 0 else { return 1 }
  }
  return 0
}
