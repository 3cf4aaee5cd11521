import Foundation

/// The command as it is built, run as a user runs it.
struct BuiltCommand {
  struct Run {
    let code: Int32
    let output: String
    let errors: String
  }

  private static let executable: URL = {
    // The tests lie in a bundle beside the command, or in the same directory.
    let here = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments.first ?? ".")
    let beside = sequence(first: here) { $0.path == "/" ? nil : $0.deletingLastPathComponent() }
      .prefix(5).map { $0.appendingPathComponent("aofs") }
    let products = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent(".build/debug/aofs")
    return beside.first { FileManager.default.isExecutableFile(atPath: $0.path) } ?? products
  }()

  func run(_ arguments: [String] = [], input: String = "") throws -> Run {
    let process = Process()
    process.executableURL = Self.executable
    process.arguments = arguments
    let (output, errors, feed) = (Pipe(), Pipe(), Pipe())
    (process.standardOutput, process.standardError, process.standardInput) = (output, errors, feed)
    try process.run()
    try feed.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    try feed.fileHandleForWriting.close()
    // Both texts are shorter than a pipe holds, so one can be read after the other.
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    let complaint = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Run(
      code: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: complaint, as: UTF8.self))
  }

  func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("aofs-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try body(directory.path)
  }
}
