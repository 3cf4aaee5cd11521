import AOFCore
import Foundation
import Testing

@testable import AOFControl

private func status(_ path: [UInt8], failure: String? = nil) throws -> LogStatus {
  LogStatus(
    path: ReportedPath(try LogPath(path)), id: 7, chunkSize: 131_072, generation: 0, headLSN: 0,
    remoteLSN: 10,
    sealedLSN: 20, durableLSN: 30, tailLSN: UInt64(Int64.max), localBytes: 4096,
    modified: "2026-01-02T03:04:05Z",
    failure: failure)
}

private func store(_ logs: [LogStatus]) -> StoreStatus {
  StoreStatus(
    store: "/srv/a", storeID: "id", chunkSize: 131_072, cacheSize: 1 << 30, trashAge: 604_800, remote: "dir:/srv/a/remote",
    walDirectory: "/srv/a/wal", logs: logs)
}

@Suite struct ReportTests {
  @Test func storeStatusComesBackFromJSON() throws {
    let report = store([try status(Array("a/b.log".utf8)), try status([0xFF, 0x61], failure: "WAL failed")])
    #expect(try ReportJSON.storeStatus(Array(ReportJSON.text(report).utf8)) == report)
  }

  @Test func fieldsAreTheDocumentedOnesWithNumbersForLSNs() throws {
    let text = ReportJSON.text(try status(Array("a".utf8)))
    let object = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(
      Set(object.keys) == [
        "path", "id", "chunk_size", "generation", "head_lsn", "remote_lsn", "sealed_lsn", "durable_lsn",
        "tail_lsn",
        "local_bytes", "modified",
      ])
    #expect(text.contains("\"tail_lsn\" : 9223372036854775807"))
    #expect(text.hasSuffix("}\n"))
    let keys = text.split(separator: "\n").compactMap { $0.split(separator: "\"").dropFirst().first }
    #expect(keys == keys.sorted())
  }

  @Test func namesThatAreNoTextCarryTheirBytes() throws {
    let text = ReportJSON.text(try status([0x61, 0xFF]))
    #expect(text.contains("\"path_base64\" : \"Yf8=\""))
    #expect(text.contains("a\u{FFFD}"))
  }

  @Test(arguments: ["", "[]", "{}", "{\"logs\":3}"]) func whatIsNoStatusIsRefused(_ text: String) {
    #expect(throws: AofError.self) { try ReportJSON.storeStatus(Array(text.utf8)) }
  }

  @Test func tablesLineUp() {
    var table = TextTable([("N", .right), ("NAME", .left)])
    table.add(["1", "a"])
    table.add(["100", "long name"])
    #expect(table.text == "  N  NAME\n  1  a\n100  long name\n")
  }

  @Test func aStoreWithoutLogsHasNoTable() {
    #expect(store([]).listing.isEmpty)
    #expect(store([]).text.contains("logs        0\n"))
  }

  @Test func theTrashIsListedWithNamesThatForgeNoLine() throws {
    let log = TrashedLogStatus(
      id: 7, path: ReportedPath(try LogPath([0xFF, 0x0A, 0x61])), bytes: 42, deleted: "2026-01-02T03:04:05Z",
      purged: "2026-01-09T03:04:05Z")
    #expect(TrashedLogStatus.listing([]).isEmpty)
    #expect(TrashedLogStatus.listing([log]).split(separator: "\n").count == 2)
    #expect(TrashedLogStatus.listing([log]).contains("\"\\377\\na\""))
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(ReportJSON.text([log]).utf8)) as? [[String: Any]]).first
    #expect(Set(try #require(object).keys) == ["id", "path", "path_base64", "bytes", "deleted", "purged_from"])
    #expect(store([]).text.contains("trash age   7d\n"))
  }

  @Test func aLogThatTakesNoAppendsIsMarked() throws {
    let report = store([try status(Array("a".utf8), failure: "WAL failed")])
    #expect(report.text.contains("a (read-only)"))
    #expect(try status(Array("a".utf8), failure: "WAL failed").text.contains("read-only    WAL failed\n"))
  }

  @Test func verificationIsGoodOnlyWithoutProblemsAndFailures() throws {
    let path = ReportedPath(try LogPath("a"))
    let good = LogVerification(path: path, framesChecked: 2, objectsChecked: 1, problems: [], failure: nil)
    let damaged = LogVerification(
      path: path, framesChecked: 2, objectsChecked: 1, problems: ["x"], failure: nil)
    let failed = LogVerification(path: path, framesChecked: 0, objectsChecked: 0, problems: [], failure: "y")
    #expect(VerifyResult(logs: [good]).ok)
    #expect(!VerifyResult(logs: [good, damaged]).ok)
    #expect(!VerifyResult(logs: [failed]).ok)
    #expect(VerifyResult(logs: [good]).text == "a: good, 2 frames, 1 objects checked\n")
    #expect(VerifyResult(logs: [damaged]).text.hasSuffix("\n  x\n"))
  }

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"),
      (1_709_251_199, "2024-02-29T23:59:59Z"),
      (4_107_542_400, "2100-03-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"),
      (1_767_323_045, "2026-01-02T03:04:05Z"),
    ] as [(Int64, String)])
  func momentsAreWrittenAsRFC3339(_ seconds: Int64, _ text: String) {
    #expect(UnixTime(seconds: seconds, nanoseconds: 0).rfc3339 == text)
  }

  @Test(arguments: [UnixTime(rawValue: .min), UnixTime(rawValue: .max)]) func noMomentTraps(_ time: UnixTime)
  {
    #expect(time.rfc3339.hasSuffix("Z"))
  }
}
