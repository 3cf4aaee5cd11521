import Foundation
import Testing

/// The example of docs and README, run as its users run it.
@Suite struct IntegrationExampleTests {
  /// Beside the test's own executable.
  private static var example: URL {
    let here = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments.first ?? ".")
    return here.resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent("aof-integration")
  }

  @Test func theExampleLandsWhereItShould() throws {
    let process = Process()
    process.executableURL = Self.example
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(
      text == """
        write 0: LSN 0 is chunk 0 [0..131072) offset 0
        write 1: LSN 43690 is chunk 0 [0..131072) offset 43690
        write 2: LSN 87380 is chunk 0 [0..131072) offset 87380
        write 3: LSN 131070 is chunk 0 [0..131072) offset 131070
        write 4: LSN 174760 is chunk 1 [131072..262144) offset 43688
        write 5: LSN 218450 is chunk 1 [131072..262144) offset 87378
        write 6: LSN 262140 is chunk 1 [131072..262144) offset 131068
        write 7: LSN 305830 is chunk 2 [262144..393216) offset 43686
        write 8: LSN 349520 is chunk 2 [262144..393216) offset 87376
        tail LSN 393210
        look-up: LSN 65536 is chunk 0 [0..131072) offset 65536
        look-up: LSN 196608 is chunk 1 [131072..262144) offset 65536
        look-up: LSN 262144 is chunk 2 [262144..393216) offset 0
        sealed up to LSN 393210
        nothing more to seal: true
        checkpoint: remote LSN 393210
        evicted 393210 bytes
        read back 393210 bytes from the remote, identical

        """)
  }
}
