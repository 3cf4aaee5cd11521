import AOFCore
import AOFEngine
import Foundation
import Testing

@testable import AOFFileSystem

/// Commands on a real store, in a directory that goes with the test.
@Suite struct ControlExecutorTests {
  private func withExecutor(
    residentTail: Int = 0, _ body: (AofManager, ControlExecutor, Shared<[LogID]>) throws -> Void
  ) throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("aofs-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    var options = StoreOptions()
    options.chunkSize = .minimum
    let manager = try AofManager.open(directory.path, options: options)
    let evicted = Shared<[LogID]>([])
    let executor = ControlExecutor(manager: manager, residentTail: residentTail) { evicted.value += [$0] }
    do {
      try body(manager, executor, evicted)
    } catch {
      try manager.close()
      throw error
    }
    try manager.close()
  }

  private func run(_ executor: ControlExecutor, _ text: String, _ log: LogID? = nil) -> ControlAnswer {
    executor.execute(Array(text.utf8), defaultLog: log)
  }

  @Test func aLogGoesThroughItsWholeLife() throws {
    try withExecutor { manager, executor, evicted in
      #expect(run(executor, "create d/a.log chunk_size=256KiB\n").error == nil)
      let log = try manager.openLog(LogPath("d/a.log"))
      #expect(log.chunkSize.byteCount == .kibibytes(256))
      let bytes = [UInt8](repeating: 7, count: 300_000)
      _ = try log.append(bytes)
      #expect(run(executor, "seal d/a.log").text.contains("-300000\n"))
      #expect(log.watermarks.sealed == 300_000)
      #expect(run(executor, "seal").text == "d/a.log: nothing to seal\n")
      #expect(run(executor, "checkpoint\n").text == "d/a.log: on the remote up to LSN 300000\n")
      #expect(run(executor, "evict").error == nil)
      #expect(evicted.value == [log.id])
      #expect(try log.extents().allSatisfy { $0.residency == .evicted })
      #expect(run(executor, "hydrate d/a.log 0-1").error == nil)
      #expect(try log.extents().map(\.residency) == [.partial, .evicted])
      #expect(run(executor, "hydrate 0-99999999", log.id).error == nil)
      #expect(try log.extents().allSatisfy { $0.residency == .resident })
      let verified = run(executor, "verify remote=yes")
      #expect(verified.error == nil && verified.text.hasPrefix("d/a.log: good, "))
      let objects = run(executor, "objects d/a.log").text.split(separator: "\n").map(String.init)
      #expect(objects.count == 2 && objects.allSatisfy(FileManager.default.fileExists))
    }
  }

  @Test func noNameForgesALineOfAnAnswer() throws {
    try withExecutor { _, executor, _ in
      for command in [#"seal "a\nb: on the remote up to LSN 7""#, #"trash restore "a\nb""#, #"status "a\nb""#] {
        let answer = run(executor, command)
        #expect(answer.error != nil && answer.text.utf8.filter { $0 == 0x0A }.count == 1, "\(answer.text)")
      }
    }
  }

  @Test func noLogIsCreatedWhereTheControlDirectoryWouldHideIt() throws {
    try withExecutor { manager, executor, _ in
      for name in [".ctl", ".ctl/a", "/.ctl//logs/a"] {
        let answer = run(executor, "create \(name)\n")
        #expect(answer.error?.code == .notPermitted && answer.text.contains("control directory"))
      }
      #expect(manager.logs().isEmpty && manager.children(of: .root).isEmpty)
      #expect(run(executor, "create a/.ctl/b\n").error == nil)
    }
  }

  @Test func aControlDirectoryInTheStoreItselfIsNotListed() throws {
    try withExecutor { manager, executor, _ in
      _ = try manager.createLog(AofConfig(name: ".ctl/a"))
      _ = try manager.createLog(AofConfig(name: "b"))
      let files = try FileSystem(manager: manager, control: executor, options: FileSystemOptions())
      let handle = try files.openDirectory(.root)
      var names: [String] = []
      try files.readDirectoryPlus(handle, from: 0) { entry, _, _ in
        names.append(String(decoding: entry.name, as: UTF8.self))
        return true
      }
      #expect(names == [".", "..", "b"])
    }
  }

  @Test func anEvictedLogsEndStaysWhereItIsMounted() throws {
    try withExecutor(residentTail: 131_072) { manager, executor, _ in
      let log = try manager.createLog(AofConfig(name: "a"))
      _ = try log.append([UInt8](repeating: 7, count: 3 * 131_072))
      #expect(run(executor, "checkpoint\nevict\n").error == nil)
      #expect(try log.extents().map(\.residency) == [.evicted, .evicted, .resident])
    }
  }

  @Test func failuresCarryTextAndErrno() throws {
    try withExecutor { manager, executor, _ in
      _ = try manager.createLog(AofConfig(name: "d/a"))
      let cases: [(String, Int32)] = [
        ("frob", EINVAL), ("seal nope", ENOENT), ("seal d", EISDIR), ("create d/a\n", EEXIST),
        ("trim d/a 1\n", EINVAL),
        ("truncate d/a 1\n", EINVAL), ("trim nope 1\n", ENOENT), ("objects nope", ENOENT),
        ("status nope", ENOENT),
        ("create \"\\377\"\n", EINVAL), ("seal \(String(repeating: "n", count: 256))", ENAMETOOLONG),
      ]
      for (command, errno) in cases {
        let answer = run(executor, command)
        #expect(answer.error?.errno == errno, "\(command)")
        #expect(answer.text.contains("error: ") && answer.text.hasSuffix("\n"), "\(command)")
        #expect(executor.lastResult() == answer.text)
      }
    }
  }

  @Test func logsAreTrimmedAndCut() throws {
    try withExecutor { manager, executor, _ in
      let log = try manager.createLog(AofConfig(name: "a"))
      _ = try log.append([UInt8](repeating: 7, count: 20_000))
      let cuts = Shared<[String]>([])
      executor.whenCut.set { log, lsn in cuts.value += ["\(log) \(lsn)"] }
      let trimmed = run(executor, "trim a 9000\n")
      #expect(trimmed.text == "a: begins at LSN 8192\n" && trimmed.error == nil)
      let cut = run(executor, "truncate a 10000 timeout=1\nseal a\n")
      #expect(cut.text.hasPrefix("a: ended at LSN 10000, generation 1\n") && cut.error == nil)
      #expect(cuts.value == ["\(log.id) \(LSN(10_000))"])
      #expect(log.watermarks.head == 8192 && log.watermarks.tail == 10_000)
      #expect(run(executor, "truncate a 100\n").error?.errno == EINVAL)
      // Nobody lets go of this one.
      _ = try log.append([UInt8](repeating: 8, count: 10_000))
      _ = try log.sealTail()
      var cursor = try log.openCursor(at: 8192)
      var byte: [UInt8] = [0]
      _ = try byte.withUnsafeMutableBytes { try cursor.read(into: $0) }
      for verb in ["trim", "truncate"] {
        #expect(run(executor, "\(verb) a 16384 timeout=0\n").error?.errno == ETIMEDOUT)
      }
      #expect(cursor.position == 8193 && log.watermarks.head == 8192 && log.watermarks.tail == 20_000)
    }
  }

  @Test func aHoleIsNeverPunchedUnderAReaderNorWaitsForOne() throws {
    try withExecutor { manager, executor, _ in
      let log = try manager.createLog(AofConfig(name: "a"))
      _ = try log.append([UInt8](repeating: 7, count: 20_000))
      _ = try log.sealTail()
      let files = try FileSystem(manager: manager, control: executor, options: FileSystemOptions())
      defer { files.close() }
      let handle = try files.open(log.id, OpenFlags(rawValue: O_RDWR | O_APPEND)).handle
      let mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
      do {
        var cursor = try log.openCursor()
        var byte: [UInt8] = [0]
        _ = try byte.withUnsafeMutableBytes { try cursor.read(into: $0) }
        let error = #expect(throws: AofError.self) {
          try files.fallocate(handle, mode: mode, offset: 0, length: 8192)
        }
        #expect(error?.errno == EBUSY && log.watermarks.head == 0)
        #expect(cursor.position == 1)
      }
      try files.fallocate(handle, mode: mode, offset: 0, length: 8192)
      #expect(log.watermarks.head == 8192)
    }
  }

  @Test func aScriptEndsWithItsFirstFailure() throws {
    try withExecutor { manager, executor, _ in
      let answer = run(executor, "create a\nseal nope\ncreate b\ncreate c\n")
      #expect(answer.error?.code == .notFound)
      #expect(answer.text.hasSuffix("not tried after this failure: 2 more commands\n"))
      #expect(manager.logs().map(\.description) == ["a"])
      _ = run(executor, "create b\nfrob\n")
      #expect(manager.logs().map(\.description) == ["a"])
    }
  }

  @Test func theAnswerToALongMessageIsCutAndStillTellsOfTheFailure() throws {
    try withExecutor { _, executor, _ in
      let help = run(executor, "help").text.utf8.count
      let commands = Limits.longAnswer / help + 10
      let answer = run(executor, String(repeating: "help\n", count: commands))
      #expect(answer.error == nil && answer.text.utf8.count < Limits.longAnswer + help + 100)
      #expect(answer.text.hasSuffix("cut here: the answers to 9 more commands\n"))
      let failed = run(executor, String(repeating: "help\n", count: commands) + "seal nope\n")
      #expect(failed.error?.errno == ENOENT && failed.text.contains("cut here: the answers to 9 more commands\nerror: "))
      #expect(failed.text.utf8.count < Limits.longAnswer + help + 300)
    }
  }

  @Test func aStoreWithoutLogsHasNothingToFail() throws {
    try withExecutor { _, executor, _ in
      for verb in ["seal", "checkpoint", "evict", "hydrate", "verify"] {
        let answer = run(executor, verb)
        #expect(answer.error == nil && answer.text == "there are no logs\n")
      }
      #expect(run(executor, "").text.isEmpty)
      #expect(run(executor, "help").text.contains("checkpoint [LOG]"))
    }
  }

  @Test func reportsTellWhatIsThere() throws {
    try withExecutor { manager, executor, _ in
      let log = try manager.createLog(AofConfig(name: "a b"))
      _ = try log.append([UInt8](repeating: 7, count: 200_000))
      _ = run(executor, "seal")
      _ = try log.append([1, 2, 3])
      #expect(executor.statusText().contains("\"a b\""))
      #expect(executor.statusJSON().contains("\"tail_lsn\" : 200003"))
      #expect(executor.logStatusText(log.id).contains("tail LSN     200003\n"))
      let rows = executor.chunksTable(log.id).split(separator: "\n")
      #expect(rows.count == 4)
      #expect(rows.last?.contains("tail") == true && rows.last?.contains("200000  200003") == true)
      #expect(executor.logStatusText(LogID(rawValue: 999_999)).hasPrefix("error: "))
    }
  }

  @Test func damageIsFoundAndNamed() throws {
    try withExecutor { manager, executor, _ in
      let log = try manager.createLog(AofConfig(name: "a"))
      _ = try manager.createLog(AofConfig(name: "b"))
      _ = try log.append([UInt8](repeating: 7, count: 131_072))
      _ = run(executor, "checkpoint a")
      let object = run(executor, "objects a").text.trimmingCharacters(in: .newlines)
      var bytes = try Data(contentsOf: URL(fileURLWithPath: object))
      bytes[bytes.startIndex + 12] ^= 0xFF
      try FileManager.default.removeItem(atPath: object)
      try bytes.write(to: URL(fileURLWithPath: object))
      #expect(run(executor, "verify").error == nil)
      let answer = run(executor, "verify remote=yes format=json")
      #expect(answer.error?.errno == EIO)
      #expect(answer.text.contains("\"ok\" : false"))
    }
  }
}
