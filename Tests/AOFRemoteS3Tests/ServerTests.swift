import AOFCore
import AOFRemote
import AOFRemoteConformance
import Foundation
import Testing

@testable import AOFRemoteS3

private let namedRemote = ProcessInfo.processInfo.environment["AOFS_S3_REMOTE"]

/// Against a real server, where AOFS_S3_REMOTE names a bucket of it with its settings; each case has a prefix of its own.
@Suite(.enabled(if: namedRemote != nil, "AOFS_S3_REMOTE names no bucket"))
struct ServerTests {
  private func store(partSize: Int = S3Store.standardPartSize) throws -> S3Store {
    let remote = try #require(namedRemote)
    guard case .s3(let whole) = try RemoteLocation(parsing: remote, workingDirectory: "/") else {
      throw AofError(.invalidArgument, "AOFS_S3_REMOTE is not in S3")
    }
    let location = try S3Location(
      bucket: whole.bucket, prefix: whole.keyPrefix + "case-\(UInt64.random(in: .min ... .max))", settings: whole.settings)
    return try S3Store(
      location, S3Services(transport: CurlTransport(caBundle: location.settings.caBundle)), partSize: partSize)
  }

  @Test(arguments: RemoteConformance.all) func conforms(_ conformance: RemoteConformance) throws {
    try conformance.run(try store(partSize: 5 << 20))
  }

  @Test func unfinishedUploadsAreGivenUp() throws {
    let store = try store(partSize: 5 << 20)
    let key = try RemoteKey("unfinished")
    let sender = try PartSender(store, key)
    #expect(try store.abandonUploads { $0 != key } == 0)
    #expect(try store.abandonUploads { $0 == key } == 1)
    #expect(try store.abandonUploads { _ in true } == 0)
    withExtendedLifetime(sender) {}
  }

  @Test func aBucketThatIsThereIsFound() throws { try store().check() }

  @Test func keptConnectionsAreUsedByOneThreadAtATime() throws {
    let store = try store()
    let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
    _ = try bytes.withUnsafeBytes { try store.put($0, as: RemoteKey("o"), .always) }
    DispatchQueue.concurrentPerform(iterations: 64) { index in
      var part = [UInt8](repeating: 0, count: 1000)
      do {
        try part.withUnsafeMutableBytes { try store.read(RemoteKey("o"), at: UInt64(index * 1000), into: $0) }
        #expect(part == Array(bytes[(index * 1000)..<(index * 1000 + 1000)]))
      } catch {
        Issue.record(error)
      }
    }
  }
}
