import AOFCore
import AOFEngine
import AOFSystem
import Foundation
import Testing

@testable import AOFFileSystem

/// What the kernel learns of a cut, and when.
@Suite struct CutTests {
  /// Takes down which logs' pages are to go, and answers when it is let.
  private final class HeldCache: KernelCache {
    let state = Monitor<(asked: [NodeID], isFree: Bool)>(([], false))

    func tell(_ node: NodeID, _ notices: [TailNotice], whenDone: @escaping @Sendable () -> Void) {
      notices.callClosures()
      whenDone()
    }

    func invalidateAll(_ node: NodeID, whenDone: @escaping @Sendable () -> Void) {
      state.change { $0.asked.append(node) }
      state.wait { $0.isFree ? () : nil }
      whenDone()
    }
  }

  @Test func theKernelHasLearntOfACutBeforeTheNextCommandOfTheMessage() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("aofs-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    let manager = try AofManager.open(directory.path)
    let control = ControlExecutor(manager: manager, residentTail: 0) { _ in }
    let cache = HeldCache()
    var options = FileSystemOptions()
    options.kernelCache = cache
    let files = try FileSystem(manager: manager, control: control, options: options)
    let log = try manager.createLog(AofConfig(name: "a"))
    try log.append([UInt8](repeating: 7, count: 9000))
    func size() throws -> UInt64? {
      guard case .now(let entry) = try files.getattr(log.id) else { return nil }
      return entry.attributes.size
    }
    #expect(try size() == 9000)
    let answer = Monitor<ControlAnswer?>(nil)
    let message = Array("truncate a 8192\ncreate b\n".utf8)
    _ = files.commands.add {
      control.execute(
        message, defaultLog: nil, resume: { files.commands.add($0) }, whenDone: { done in answer.change { $0 = done } })
    }
    #expect(cache.state.wait { $0.asked.isEmpty ? nil : $0.asked } == [log.id])
    #expect(try size() == 8192)
    #expect(manager.logs().map(\.description) == ["a"], "nothing goes on before the kernel has dropped its pages")
    cache.state.change { $0.isFree = true }
    #expect(answer.wait { $0 }.error == nil)
    #expect(manager.logs().map(\.description) == ["a", "b"])
    files.close()
    try manager.close()
  }
}
