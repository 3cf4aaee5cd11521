import AOFCore
import AOFRemote
import AOFSystem
import Testing

@testable import AOFRemoteS3

/// Uploads to a scripted server; parts have 1,000 bytes.
@Suite struct UploadTests {
  private static let begun = answer(200, "<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>")
  private static let completed = answer(200, "<CompleteMultipartUploadResult><Location>x</Location></CompleteMultipartUploadResult>")

  /// A server that keeps parts. `override` answers in its place where it returns something.
  private func server(_ override: @escaping ScriptedTransport.OptionalStep = { _ in nil }) -> ScriptedTransport {
    ScriptedTransport([], otherwise: { asked in
      if let answer = override(asked) { return answer }
      switch asked.method {
      case .post: return asked.path.contains("uploads=") ? Self.begun : Self.completed
      case .put: return answer(200, "", ["ETag": "\"tag\(asked.partNumber ?? 0)\""])
      default: return answer(204)
      }
    })
  }

  private func write(_ count: Int, to upload: any RemoteUpload) throws {
    try (0..<count).map { UInt8(truncatingIfNeeded: $0) }.withUnsafeBytes { try upload.write($0) }
  }

  @Test(arguments: [0, 1, 999, 1000]) func oneRequestIsEnoughForOnePart(size: Int) throws {
    let scripted = try ScriptedStore(server())
    let upload = try scripted.store.beginUpload(RemoteKey("o"))
    try write(size, to: upload)
    #expect(try upload.commit(.always) == .created)
    #expect(scripted.transport.asked.map(\.method) == [.put])
    #expect(scripted.transport.asked.first?.body.count == size)
  }

  @Test(arguments: [1001, 2000, 12_345]) func largerOnesAreSentInParts(size: Int) throws {
    let scripted = try ScriptedStore(server())
    let upload = try scripted.store.beginUpload(RemoteKey("o"))
    try write(size, to: upload)
    #expect(try upload.commit(.always) == .created)
    let asked = scripted.transport.asked
    #expect(asked.first?.path == "/bucket/pre/o?uploads=")
    let parts = asked.filter { $0.method == .put }.sorted { ($0.partNumber ?? 0) < ($1.partNumber ?? 0) }
    #expect(parts.map(\.partNumber) == (1...((size + 999) / 1000)).map { $0 })
    #expect(parts.allSatisfy { $0.path.hasSuffix("uploadId=u%2F1") })
    #expect(parts.dropLast().allSatisfy { $0.body.count == 1000 })
    #expect(parts.flatMap(\.body) == (0..<size).map { UInt8(truncatingIfNeeded: $0) })
    let end = try #require(asked.last)
    #expect(end.method == .post)
    let list = String(decoding: end.body, as: UTF8.self)
    #expect(list.contains("<Part><PartNumber>2</PartNumber><ETag>\"tag2\"</ETag></Part>"))
    #expect(list.matches(of: #/<Part>/#).count == parts.count)
  }

  @Test func partsKnowNoConditions() throws {
    let scripted = try ScriptedStore(server())
    let upload = try scripted.store.beginUpload(RemoteKey("o"))
    try write(1500, to: upload)
    #expect(failure { _ = try upload.commit(.ifAbsent) }?.code == .unsupported)
    #expect(scripted.transport.asked.last?.method == .delete)
  }

  @Test func whatFailsIsGivenUp() throws {
    let scripted = try ScriptedStore(
      server { $0.partNumber == 2 ? refusal(403, "AccessDenied") : nil })
    let upload = try scripted.store.beginUpload(RemoteKey("o"))
    let error = failure {
      try write(10_000, to: upload)
      _ = try upload.commit(.always)
    }
    #expect(error?.description.contains("part 2") == true && error?.description.contains("AccessDenied") == true)
    upload.abandon()
    let asked = scripted.transport.asked
    #expect(asked.last?.method == .delete && asked.last?.path == "/bucket/pre/o?uploadId=u%2F1")
    #expect(!asked.contains { $0.method == .post && !$0.path.contains("uploads=") })
  }

  @Test func partsAreRepeated() throws {
    let failed = Lock<Set<Int>>([])
    let scripted = try ScriptedStore(
      server { asked in
        guard let part = asked.partNumber, failed.withLock({ $0.insert(part).inserted }) else { return nil }
        return noAnswer(.interrupted)
      })
    let upload = try scripted.store.beginUpload(RemoteKey("o"))
    try write(3500, to: upload)
    #expect(try upload.commit(.always) == .created)
    #expect(scripted.transport.asked.filter { $0.method == .put }.count == 8)
  }

  @Test func anUploadThatIsLetGoIsAborted() throws {
    let scripted = try ScriptedStore(server())
    do {
      let upload = try scripted.store.beginUpload(RemoteKey("o"))
      try write(1500, to: upload)
    }
    #expect(scripted.transport.asked.last?.method == .delete)
  }

  /// S3 may answer 200, and say in the body that it failed.
  @Test func aCompletionMayFailAfterItsStatus() throws {
    let tries = Lock(0)
    let scripted = try ScriptedStore(
      server { asked in
        guard asked.method == .post, !asked.path.contains("uploads=") else { return nil }
        return tries.withLock { tries in
          tries += 1
          return tries == 1 ? refusal(200, "InternalError") : tries == 2 ? answer(200, "  ") : nil
        }
      })
    let upload = try scripted.store.beginUpload(RemoteKey("o"))
    try write(1500, to: upload)
    #expect(try upload.commit(.always) == .created)
    #expect(tries.withLock { $0 } == 3)
  }

  @Test(arguments: [1500, 1499]) func aCompletionWhoseAnswerWasLostIsFound(size: Int) throws {
    let tries = Lock(0)
    let scripted = try ScriptedStore(
      server { asked in
        if asked.method == .head { return answer(200, "", ["Content-Length": "\(size)"]) }
        guard asked.method == .post, !asked.path.contains("uploads=") else { return nil }
        return tries.withLock { tries in
          tries += 1
          return tries == 1 ? noAnswer(.interrupted) : refusal(404, "NoSuchUpload")
        }
      })
    let upload = try scripted.store.beginUpload(RemoteKey("o"))
    try write(1500, to: upload)
    if size == 1500 {
      #expect(try upload.commit(.always) == .created)
    } else {
      #expect(failure { _ = try upload.commit(.always) }?.description.contains("NoSuchUpload") == true)
    }
  }

  /// libcurl sends a request again by itself where a kept connection turns out to be closed: then the first try that we
  /// see may be the second.
  @Test(arguments: [1500, 1499]) func aCompletionThatWasDoneUnseenIsFound(size: Int) throws {
    let scripted = try ScriptedStore(
      server { asked in
        if asked.method == .head { return answer(200, "", ["Content-Length": "\(size)"]) }
        return asked.method == .post && !asked.path.contains("uploads=") ? refusal(404, "NoSuchUpload") : nil
      })
    let upload = try scripted.store.beginUpload(RemoteKey("o"))
    try write(1500, to: upload)
    let error = failure { _ = try upload.commit(.always) }
    #expect(size == 1500 ? error == nil : error?.description.contains("NoSuchUpload") == true)
  }

  @Test func memoryIsBounded() throws {
    let most = Lock((now: 0, peak: 0))
    let scripted = try ScriptedStore(
      server { asked in
        guard asked.partNumber != nil else { return nil }
        most.withLock { $0 = ($0.now + 1, max($0.peak, $0.now + 1)) }
        SystemThread.yield()
        most.withLock { $0.now -= 1 }
        return nil
      })
    let upload = try scripted.store.beginUpload(RemoteKey("o"))
    try write(200_000, to: upload)
    #expect(try upload.commit(.always) == .created)
    #expect(most.withLock { $0.peak } <= S3Upload.maximumBuffers - 1)
  }

  @Test func partsAreEnoughForTheLargestObject() {
    // Incompressible frames grow a little, and each has an entry in the tables behind them.
    let largest = Int(Limits.maximumChunkSize.rawValue) * 102 / 100
    #expect(S3Store.standardPartSize * 10_000 > largest)
    #expect(S3Store.standardPartSize >= 5 << 20)
    #expect(S3Store.standardPartSize * S3Upload.maximumBuffers < 128 << 20)
  }
}

extension ScriptedTransport {
  typealias OptionalStep = @Sendable (Asked) -> Answer?
}

extension ScriptedTransport.Asked {
  var partNumber: Int? {
    url.split(separator: "?").last?.split(separator: "&").first { $0.hasPrefix("partNumber=") }
      .flatMap { Int($0.dropFirst("partNumber=".count)) }
  }
}
