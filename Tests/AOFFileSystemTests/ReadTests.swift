import AOFCore
import AOFEngine
import Foundation
import Testing

@testable import AOFFileSystem

@Suite struct ReadTests {
  @Test(arguments: [O_RDONLY, O_RDWR, O_RDONLY | O_DIRECT])
  func anAppendIsToldToTheKernelWhateverHandleThePageWasFilledThrough(_ flags: Int32) throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("aofs-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    let manager = try AofManager.open(directory.path)
    let control = ControlExecutor(manager: manager, residentTail: 0) { _ in }
    let files = try FileSystem(manager: manager, control: control, options: FileSystemOptions())
    let log = try manager.createLog(AofConfig(name: "a"))
    try log.append([1, 2, 3])
    let appending = OpenFlags(rawValue: O_WRONLY | O_APPEND)
    let writer = try files.open(log.id, appending).handle
    let reader = try files.open(log.id, OpenFlags(rawValue: flags)).handle
    /// Whether the append is answered only when pages have gone.
    func appendWaits() throws -> Bool {
      let bytes: [UInt8] = [4, 5]
      let answer = try bytes.withUnsafeBytes {
        try files.write(writer, at: log.tailLSN.rawValue, $0, flags: appending, fromPageCache: false)
      }
      answer.start { _ in }
      if case .later = answer { return true }
      return false
    }
    func read(fillsCache: Bool) throws {
      var bytes = [UInt8](repeating: 0, count: 4096)
      _ = try bytes.withUnsafeMutableBytes {
        try files.read(reader, at: 0, into: $0, flags: OpenFlags(rawValue: flags), fillsCache: fillsCache)
      }
    }
    #expect(try !appendWaits())
    try read(fillsCache: false)
    #expect(try !appendWaits())
    try read(fillsCache: true)
    #expect(try appendWaits())
    #expect(try !appendWaits())
    files.close()
    try manager.close()
  }
}
