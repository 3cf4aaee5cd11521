import AOFCore
import AOFEngine
import AOFSystem
import Foundation
import Testing

@testable import AOFFileSystem

/// The events file, `wait` and the metrics, without a mount.
@Suite struct EventsTests {
  private struct Fixture {
    let manager: AofManager
    let control: ControlExecutor
    let files: FileSystem

    func openEvents() throws -> HandleID {
      let root = try files.lookUpControl(EntryName(".ctl"), in: .root).attributes.node
      let node = try files.lookUpControl(EntryName("events"), in: root).attributes.node
      return try files.open(node, OpenFlags(rawValue: O_RDONLY)).handle
    }

    /// What a read answers at once; nil where it would wait.
    func read(_ handle: HandleID, count: Int = 4096) throws -> String? {
      var bytes = [UInt8](repeating: 0, count: count)
      let answer = try bytes.withUnsafeMutableBytes {
        try files.read(handle, at: 0, into: $0, flags: OpenFlags(rawValue: O_RDONLY), fillsCache: false)
      }
      guard case .read(let count) = answer else { return nil }
      return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// Starts a read that waits; its answer comes to the monitor.
    func startRead(_ handle: HandleID, for waiter: any Waiter = PatientWaiter()) throws -> Monitor<Result<String, AofError>?> {
      let answer = Monitor<Result<String, AofError>?>(nil)
      var bytes = [UInt8](repeating: 0, count: 4096)
      let started = try bytes.withUnsafeMutableBytes {
        try files.read(handle, at: 0, into: $0, flags: OpenFlags(rawValue: O_RDONLY), fillsCache: false)
      }
      guard case .later(let work) = started else { return answer }
      work.start(for: waiter) { result in
        answer.change { $0 = result.map { String(decoding: $0.buffer, as: UTF8.self) } }
      }
      return answer
    }
  }

  private func withFiles(_ body: (Fixture) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("aofs-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    var options = StoreOptions()
    options.chunkSize = .minimum
    options.reserve = 0
    let manager = try AofManager.open(directory.path, options: options)
    let control = ControlExecutor(manager: manager, residentTail: 0) { _ in }
    let files = try FileSystem(manager: manager, control: control, options: FileSystemOptions())
    do {
      try body(Fixture(manager: manager, control: control, files: files))
    } catch {
      files.close()
      try manager.close()
      throw error
    }
    files.close()
    try manager.close()
  }

  @Test func everyReaderGetsWhatHappened() throws {
    try withFiles { fixture in
      let log = try fixture.manager.createLog(AofConfig(name: "d/a \"b"))
      _ = try log.append([1, 2, 3])
      _ = try log.sealTail()
      for _ in 0..<2 {
        let handle = try fixture.openEvents()
        let text = try #require(try fixture.read(handle))
        #expect(text.hasSuffix("}\n") && text.contains(#""event":"seal","from":0,"id":\#(log.id),"log":"d/a \"b""#), "\(text)")
        #expect(try fixture.read(handle) == nil)
        #expect(throws: AofError.self) {
          var byte: [UInt8] = [0]
          _ = try byte.withUnsafeMutableBytes {
            try fixture.files.read(handle, at: 0, into: $0, flags: OpenFlags(rawValue: O_RDONLY | O_NONBLOCK), fillsCache: false)
          }
        }
      }
    }
  }

  @Test func aLineMayBeReadByteByByte() throws {
    try withFiles { fixture in
      fixture.manager.observation.report(.mount("/mnt"))
      let handle = try fixture.openEvents()
      let whole = try #require(try fixture.read(fixture.openEvents()))
      var text = ""
      while let next = try fixture.read(handle, count: 1) { text += next }
      #expect(text == whole && whole.contains(#""event":"mount","mount_point":"/mnt""#))
    }
  }

  @Test func aReadWaitsForTheNextEventAndAPollIsTold() throws {
    try withFiles { fixture in
      let handle = try fixture.openEvents()
      let answer = try fixture.startRead(handle)
      #expect(answer.withLock { $0 == nil })
      let polled = Monitor(false)
      #expect(try !fixture.files.poll(handle) { polled.change { $0 = true } })
      fixture.manager.observation.report(.mount("/mnt"))
      #expect(try answer.wait { $0 }.get().contains("/mnt"))
      polled.wait { $0 ? () : nil }
      #expect(try !fixture.files.poll(handle, whenReadable: nil))
      fixture.manager.observation.report(.mount("/mnt"))
      #expect(try fixture.files.poll(handle, whenReadable: nil))
    }
  }

  @Test func oneReadOfAHandleWaitsAtATime() throws {
    try withFiles { fixture in
      let handle = try fixture.openEvents()
      let first = try fixture.startRead(handle)
      let second = try fixture.startRead(handle)
      let failure = #expect(throws: AofError.self) { try first.wait { $0 }.get() }
      #expect(failure?.errno == EINTR)
      fixture.files.prepareToEnd()
      #expect(try second.wait { $0 }.get() == "", "the end of the mount is the end of the file")
    }
  }

  @Test func anInterruptedReadTakesNothingAway() throws {
    try withFiles { fixture in
      let handle = try fixture.openEvents()
      let waiter = TestWaiter()
      let answer = try fixture.startRead(handle, for: waiter)
      waiter.interrupt()
      let polled = Monitor(false)
      #expect(try !fixture.files.poll(handle) { polled.change { $0 = true } })
      fixture.manager.observation.report(.mount("/mnt"))
      polled.wait { $0 ? () : nil }
      // What woke the poll wakes the read too, and the feed's next action comes behind that.
      let passed = Monitor(false)
      fixture.files.events.whenReadable(from: 0) { passed.change { $0 = true } }
      passed.wait { $0 ? () : nil }
      #expect(answer.withLock { $0 == nil })
      #expect(try fixture.read(handle)?.contains("/mnt") == true)
    }
  }

  @Test func aReaderThatIsLateIsToldWhatItMissed() throws {
    try withFiles { fixture in
      let handle = try fixture.openEvents()
      for number in 0..<Observation.keptEvents + 5 { fixture.manager.observation.report(.mount("\(number)")) }
      let text = try #require(try fixture.read(handle, count: 60_000))
      #expect(text.hasPrefix("{\"count\":5,\"event\":\"missed\"}\n"))
      #expect(text.split(separator: "\n").dropFirst().first?.contains(#""seq":5,"#) == true)
    }
  }

  // MARK: wait

  @Test func aWaitHoldsNoThreadAndTheRestOfTheScriptFollows() throws {
    try withFiles { fixture in
      let log = try fixture.manager.createLog(AofConfig(name: "a"))
      _ = try log.append([1, 2, 3])
      let answers = Monitor<[String]>([])
      // More than there are threads for commands: all wait, and a command goes on all the same.
      let waiting = FileSystemOptions().commandThreads + 4
      for _ in 0..<waiting {
        fixture.control.execute(
          Array("wait a durable=3 timeout=60\nstatus a\n".utf8), defaultLog: nil, resume: { fixture.files.commands.add($0) },
          whenDone: { answer in answers.change { $0.append(answer.text) } })
      }
      #expect(answers.withLock { $0.isEmpty })
      #expect(fixture.control.statusText().contains("wait a durable=3, since"))
      #expect(fixture.control.execute(Array("seal a".utf8), defaultLog: nil).error == nil)
      let all = answers.wait { $0.count == waiting ? $0 : nil }
      #expect(all.allSatisfy { $0.hasPrefix("a: LSN 3 is durable\n") && $0.contains("tail LSN     3") })
      #expect(!fixture.control.statusText().contains("commands under way"))
    }
  }

  @Test func aWaitEndsWhenItsTimeIsUp() throws {
    try withFiles { fixture in
      let log = try fixture.manager.createLog(AofConfig(name: "a"))
      _ = try log.append([1])
      let answer = fixture.control.execute(Array("wait a remote=1 timeout=0\nseal\n".utf8), defaultLog: nil)
      #expect(answer.error?.errno == ETIMEDOUT)
      #expect(answer.text.contains("only 0 is") && answer.text.contains("not tried after this failure: 1 more command"))
      #expect(fixture.control.execute(Array("wait nope remote=1\n".utf8), defaultLog: nil).error?.errno == ENOENT)
      #expect(fixture.control.execute(Array("wait durable=0\n".utf8), defaultLog: log.id).error == nil)
    }
  }

  // MARK: Metrics

  @Test func everyFamilyHasTheFormOfTheFormat() throws {
    try withFiles { fixture in
      for line in fixture.control.metricsText().split(separator: "\n") {
        let isSample = line.wholeMatch(of: #/[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+-]+/#) != nil
        let isComment = line.wholeMatch(of: #/# (HELP [a-z_]+ [A-Z][^\n]*\.|TYPE [a-z_]+ (counter|gauge|histogram))/#) != nil
        let isBucket = line.wholeMatch(of: #/[a-z_]+_bucket\{le="[0-9.e+Inf-]+"\} \d+/#) != nil
        #expect(isSample || isComment || isBucket, "\(line)")
      }
    }
  }

  @Test func theAlertsAndTheirDescriptionNameMetricsThatThereAre() throws {
    try withFiles { fixture in
      let families = Set(fixture.control.metricsText().matches(of: #/# TYPE ([a-z_]+)/#).map { String($0.1) })
      let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
      func named(_ file: String) throws -> Set<String> {
        let text = try String(contentsOf: top.appendingPathComponent(file), encoding: .utf8)
        let names = text.matches(of: #/\baofs_[a-z_]+/#).map { String($0.0) }
        return Set(names.map { $0.replacing(#/_(bucket|sum|count)$/#, with: "") })
      }
      let alerts = try named("mount-scripts/prometheus-alerts.yml")
      #expect(!alerts.isEmpty && alerts.isSubset(of: families), "\(alerts.subtracting(families))")
      let described = try named("docs/OPERATING.md")
      #expect(described == families, "\(described.symmetricDifference(families))")
    }
  }
}
