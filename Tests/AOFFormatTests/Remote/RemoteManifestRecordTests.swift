import AOFCore
import Testing

@testable import AOFFormat

@Suite struct RemoteManifestRecordTests {
  private static let key = ObjectKey(
    log: LogID(rawValue: 4), chunk: ChunkID(rawValue: 1), range: 131_072..<262_144, generation: .first,
    epoch: 3,
    random: 0xFEED)

  private static func makeRecord() throws -> RemoteManifestRecord {
    var record = RemoteManifestRecord(
      storeID: "store-1", sequence: 12, epoch: 3, writerNonce: 0xFF, kind: .delta,
      time: UnixTime(rawValue: 1_700_000_000_123_456_789))
    let attributes = RemoteNodeAttributes(
      mode: 0o640, userID: 1000, groupID: 4, accessTime: UnixTime(rawValue: -1),
      modificationTime: UnixTime(rawValue: 2), changeTime: UnixTime(rawValue: .max))
    record.directories = [
      RemoteDirectoryRecord(id: .root, path: LogPath(names: []), attributes: attributes),
      RemoteDirectoryRecord(id: NodeID(rawValue: 2), path: try LogPath("nginx"), attributes: attributes),
    ]
    record.logs = [
      RemoteLogRecord(
        id: LogID(rawValue: 4), path: try LogPath(Array("nginx/".utf8) + [0xFF, 0x25, 0x0A, 0xC3, 0xA9]),
        attributes: attributes, chunkSize: .minimum, generation: .first, headLSN: 0,
        remoteLSN: LSN(rawValue: 9_007_199_254_740_993))
    ]
    record.extents = [
      RemoteExtentRecord(key: key, objectSize: 40_000, objectCRC32C: 0xFFFF_FFFF, frameCount: 1)
    ]
    record.removedNodes = [NodeID(rawValue: .max)]
    record.droppedObjects = [key]
    return record
  }

  private func decode(_ bytes: [UInt8]) throws -> RemoteManifestRecord {
    try RemoteManifestRecord(decoding: bytes, storeID: "store-1", sequence: 12)
  }

  private func code(_ body: () throws -> Void) -> AofError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? AofError)?.code
    }
  }

  private func replacing(_ old: String, with new: String) throws -> [UInt8] {
    let text = String(decoding: try Self.makeRecord().encode(), as: UTF8.self)
    #expect(text.contains(old), "the record has no \(old)")
    return Array(
      text.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false).joined(separator: new).utf8)
  }

  @Test func recordsRoundTrip() throws {
    let record = try Self.makeRecord()
    let bytes = try record.encode()
    #expect(try decode(bytes) == record)
    #expect(try decode(bytes).encode() == bytes)
  }

  @Test func aLogInTheTrashSaysSinceWhen() throws {
    var record = try Self.makeRecord()
    record.logs[0].deletedAt = UnixTime(rawValue: -7)
    #expect(String(decoding: try record.encode(), as: UTF8.self).contains("\"chunk_size\":131072,\"deleted_at\":-7,"))
    #expect(try decode(record.encode()) == record)
  }

  @Test func aPathMayBeLongerThanOneThatCanBeNamed() throws {
    var record = try Self.makeRecord()
    let name = try EntryName([UInt8](repeating: 0x61, count: 255))
    record.logs[0].path = LogPath(names: Array(repeating: name, count: 40))
    #expect(try decode(record.encode()) == record)
  }

  @Test func recordsAreTheDocumentedJSON() throws {
    var record = try Self.makeRecord()
    record.directories = []
    let text = String(decoding: try record.encode(), as: UTF8.self)
    #expect(
      text == """
        {"directories":[],"dropped_objects":["\(Self.key)"],"epoch":3,"extents":[{"chunk_id":1,"end_lsn":262144,\
        "first_lsn":131072,"frame_count":1,"generation":0,"log_id":4,"object_crc32c":4294967295,\
        "object_key":"\(Self.key)","object_size":40000}],"kind":"delta","logs":[{"access_time":-1,\
        "change_time":9223372036854775807,"chunk_size":131072,"generation":0,"gid":4,"head_lsn":0,"id":4,\
        "mode":416,"modification_time":2,"path":"nginx/%FF%25%0A%C3%A9","remote_lsn":9007199254740993,\
        "uid":1000}],"removed_nodes":[18446744073709551615],"sequence":12,"store_id":"store-1",\
        "time":1700000000123456789,"version":1,"writer_nonce":"00000000000000ff"}
        """)
  }

  @Test func keysRoundTrip() {
    #expect(RemoteManifestRecord.key(sequence: 12) == "manifest/00000000000000000012")
    for sequence: UInt64 in [1, 12, .max] {
      #expect(RemoteManifestRecord.sequence(ofKey: RemoteManifestRecord.key(sequence: sequence)) == sequence)
    }
    for key in [
      "", "/", "manifest", "manifest/12", "manifest/00000000000000000000", "x/00000000000000000012",
    ] {
      #expect(RemoteManifestRecord.sequence(ofKey: key) == nil)
    }
  }

  @Test func everyTruncationIsCorrupt() throws {
    let bytes = try Self.makeRecord().encode()
    for count in 0..<bytes.count { #expect(code { _ = try decode(Array(bytes[..<count])) } == .corrupt) }
  }

  @Test func everyChangedByteIsAnErrorOrAnotherValue() throws {
    let record = try Self.makeRecord()
    let bytes = try record.encode()
    for index in bytes.indices {
      for value in Array("0\"}-.e%\0".utf8) + [0xFF] where value != bytes[index] {
        var damaged = bytes
        damaged[index] = value
        if let decoded = try? decode(damaged) { #expect(decoded != record, "byte \(index)") }
      }
    }
  }

  @Test func aNewerRecordIsRefusedAsSuch() throws {
    let newer = try replacing("\"version\":1", with: "\"version\":2")
    do {
      _ = try decode(newer)
      Issue.record("it was read")
    } catch {
      let error = try #require(error as? AofError)
      #expect(error.code == .newerVersion)
      #expect(error.description.contains("version 2"))
      #expect(!error.remedy.isEmpty)
    }
    // Whatever else a later version changes, it is still told from garbage.
    #expect(code { _ = try decode(Array("{\"version\":9}".utf8)) } == .newerVersion)
  }

  @Test func unknownKeysAreIgnored() throws {
    let bytes = try replacing("\"version\":1", with: "\"version\":1,\"words\":[{}]")
    #expect(try decode(bytes) == Self.makeRecord())
  }

  @Test(arguments: [
    ("\"version\":1", "\"version\":0"), ("\"version\":1", "\"version\":\"1\""),
    ("\"epoch\":3", "\"epoch\":0"),
    ("\"sequence\":12", "\"sequence\":13"), ("\"sequence\":12", "\"sequence\":-12"),
    ("\"sequence\":12", "\"sequence\":1e400"), ("\"sequence\":12", "\"sequence\":18446744073709551628"),
    ("00000000000000ff", "ff"), ("\"delta\"", "\"sum\""), ("\"delta\"", "\"snapshot\""),
    ("\"mode\":416", "\"mode\":4096"), ("\"chunk_size\":131072", "\"chunk_size\":131073"),
    ("\"chunk_size\":131072", "\"chunk_size\":0"), ("\"head_lsn\":0", "\"head_lsn\":9007199254740994"),
    ("\"remote_lsn\":9007199254740993", "\"remote_lsn\":9223372036854775808"),
    ("\"first_lsn\":131072", "\"first_lsn\":131073"), ("\"log_id\":4", "\"log_id\":5"),
    ("\"frame_count\":1", "\"frame_count\":0"), ("\"frame_count\":1", "\"frame_count\":4294967295"),
    ("\"object_size\":40000", "\"object_size\":117"), ("nginx/%FF", "nginx/%ff"), ("nginx/%FF", "nginx/%F"),
    ("nginx/%FF", "nginx//%FF"), ("nginx/%FF", "nginx/../%FF"), ("nginx/%FF", "/nginx/%FF"),
    ("nginx/%FF", "nginx/%00"), ("nginx/%FF", "nginx/%41"), ("nginx/%FF", "nginx/é"),
    ("\"object_key\":\"chunks", "\"object_key\":\"../chunks"),
    ("\"dropped_objects\":[\"chunks", "\"dropped_objects\":[\"/chunks"),
  ]) func fieldsOutOfRangeAreCorrupt(old: String, new: String) throws {
    let bytes = try replacing(old, with: new)
    #expect(code { _ = try decode(bytes) } == .corrupt)
  }

  @Test func garbageIsCorrupt() {
    let deep = String(repeating: "[", count: 100_000)
    for text in [
      "", "null", "[]", "{}", "{\"version\":1}", "{\"version\":1.5}", "{\"version\":\(deep)", deep, "\u{0}",
    ] {
      #expect(code { _ = try decode(Array(text.utf8)) } == .corrupt)
      #expect(code { _ = try RemoteStoreHeader(decoding: Array(text.utf8)) } == .corrupt)
    }
    #expect(code { _ = try decode([0xFF, 0xFE, 0x00]) } == .corrupt)
  }

  @Test func recordsOfOtherStoresAreRefused() throws {
    let bytes = try Self.makeRecord().encode()
    #expect(
      code { _ = try RemoteManifestRecord(decoding: bytes, storeID: "other", sequence: 12) } == .notAStore)
  }

  @Test func pathsOfAnyBytesAreEscaped() {
    let bytes = Array(UInt8.min...UInt8.max)
    let text = PercentEscaping.escape(bytes)
    #expect(text.utf8.allSatisfy { (0x21..<0x7F).contains($0) })
    #expect(PercentEscaping.unescape(text) == bytes)
    #expect(PercentEscaping.escape([]) == "")
    #expect(PercentEscaping.unescape("") == [])
  }

  @Test func headersRoundTrip() throws {
    let header = try RemoteStoreHeader(storeID: "0b1c-A")
    let bytes = try header.encode()
    #expect(String(decoding: bytes, as: UTF8.self) == #"{"format":"aofs","store_id":"0b1c-A","version":1}"#)
    #expect(try RemoteStoreHeader(decoding: bytes) == header)
    for count in 0..<bytes.count {
      #expect(code { _ = try RemoteStoreHeader(decoding: Array(bytes[..<count])) } == .corrupt)
    }
  }

  @Test func otherHeadersAreRefused() {
    func answer(to text: String) -> AofError.Code? {
      code { _ = try RemoteStoreHeader(decoding: Array(text.utf8)) }
    }
    #expect(answer(to: #"{"format":"aofs","store_id":"a","version":2}"#) == .newerVersion)
    #expect(answer(to: #"{"format":"tar","store_id":"a","version":1}"#) == .notAStore)
    #expect(answer(to: #"{"format":"aofs","store_id":"","version":1}"#) == .corrupt)
    #expect(answer(to: #"{"format":"aofs","store_id":"a b","version":1}"#) == .corrupt)
    #expect(code { _ = try RemoteStoreHeader(storeID: "a/b") } == .invalidArgument)
  }
}
