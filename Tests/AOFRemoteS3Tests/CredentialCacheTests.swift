import AOFCore
import AOFSystem
import Testing

@testable import AOFRemoteS3

@Suite struct CredentialCacheTests {
  /// Hands out what it is told to, and counts.
  private final class Source: CredentialSource {
    let name: String
    let next = Lock<[CredentialFinding]>([])
    let asked = Lock(0)
    /// Holds whoever asks, until it is opened.
    let gate = Monitor(true)

    init(_ name: String) { self.name = name }

    func find() -> CredentialFinding {
      asked.withLock { $0 += 1 }
      gate.wait { $0 ? () : nil }
      return next.withLock { $0.isEmpty ? .missing("empty") : $0.removeFirst() }
    }
  }

  private func made(_ id: String, _ end: Int64? = nil) -> CredentialFinding {
    var credentials = AwsCredentials(accessKeyID: id, secretAccessKey: "s")
    credentials.expiration = end.map { UnixTime(seconds: $0, nanoseconds: 0) }
    return .found(credentials)
  }

  private let source = Source("test")
  private let clock = ManualClock(seconds: 1000)
  private var cache: CredentialCache { CredentialCache(sources: [source], clock: clock) }

  @Test func lastingOnesAreLoadedOnce() throws {
    source.next.withLock { $0 = [made("a")] }
    let cache = cache
    for _ in 0..<3 { #expect(try cache.credentials().accessKeyID == "a") }
    clock.advance(seconds: 1_000_000)
    #expect(try cache.credentials().accessKeyID == "a")
    #expect(source.asked.withLock { $0 } == 1)
  }

  @Test func endingOnesAreReplacedBeforeTheirEnd() throws {
    source.next.withLock { $0 = [made("a", 5000), made("b", 9000)] }
    let cache = cache
    #expect(try cache.credentials().accessKeyID == "a")
    clock.advance(seconds: 3600)
    #expect(try cache.credentials().accessKeyID == "a")
    clock.advance(seconds: 200)
    #expect(try cache.credentials().accessKeyID == "b")
  }

  @Test func failuresLeaveTheOldOnesUntilTheirEnd() throws {
    source.next.withLock { $0 = [made("a", 5000)] }
    let cache = cache
    _ = try cache.credentials()
    clock.advance(seconds: 3900)
    for _ in 0..<5 { #expect(try cache.credentials().accessKeyID == "a") }
    // Not once for each request.
    #expect(source.asked.withLock { $0 } == 2)
    clock.advance(seconds: 31)
    #expect(try cache.credentials().accessKeyID == "a")
    #expect(source.asked.withLock { $0 } == 3)
    clock.advance(seconds: 200)
    let error = failure { _ = try cache.credentials() }
    #expect(error?.code == .remoteFailure && error?.description.contains("test: empty") == true)
    source.next.withLock { $0 = [made("b", 9000)] }
    #expect(try cache.credentials().accessKeyID == "b")
  }

  @Test func oneThreadReplacesWhileOthersGoOn() throws {
    source.next.withLock { $0 = [made("a", 5000), made("b", 9000)] }
    let cache = cache
    _ = try cache.credentials()
    clock.advance(seconds: 3900)
    source.gate.change { $0 = false }
    let replaced = Lock("")
    let source = source
    let thread = try SystemThread.start("replace") { replaced.withLock { $0 = (try? cache.credentials().accessKeyID) ?? "" } }
    while source.asked.withLock({ $0 }) < 2 { SystemThread.yield() }
    #expect(try cache.credentials().accessKeyID == "a")
    source.gate.change { $0 = true }
    thread.join()
    #expect(replaced.withLock { $0 } == "b")
    #expect(try cache.credentials().accessKeyID == "b")
    #expect(source.asked.withLock { $0 } == 2)
  }

  @Test func thoseWithoutAnyWaitForTheOneThatLoads() throws {
    source.next.withLock { $0 = [made("a")] }
    source.gate.change { $0 = false }
    let cache = cache
    let found = Lock<[String]>([])
    let threads = try (0..<8).map { _ in
      try SystemThread.start("wait") {
        let id = (try? cache.credentials().accessKeyID) ?? "none"
        found.withLock { $0.append(id) }
      }
    }
    let source = source
    while source.asked.withLock({ $0 }) == 0 { SystemThread.yield() }
    source.gate.change { $0 = true }
    for thread in threads { thread.join() }
    #expect(found.withLock { $0 } == Array(repeating: "a", count: 8))
    #expect(source.asked.withLock { $0 } == 1)
  }

  @Test func rejectedOnesAreLoadedAnewOnce() throws {
    source.next.withLock { $0 = [made("a"), made("b")] }
    let cache = cache
    let old = try cache.credentials()
    cache.reject(old)
    #expect(try cache.credentials().accessKeyID == "b")
    // Another thread that had the old ones, too.
    cache.reject(old)
    #expect(try cache.credentials().accessKeyID == "b")
  }

  // MARK: Places

  private let other = Source("other")
  private var both: CredentialCache { CredentialCache(sources: [source, other], clock: clock) }

  @Test func theNextPlaceIsAskedOnlyIfNothingIsConfigured() throws {
    source.next.withLock { $0 = [.missing("nothing"), .failed("broken")] }
    other.next.withLock { $0 = [made("b"), made("c")] }
    #expect(try both.credentials().accessKeyID == "b")
    let error = failure { _ = try both.credentials() }
    #expect(error?.message == "no credentials for S3 can be had from test: broken")
    #expect(other.asked.withLock { $0 } == 1)
  }

  @Test func aFailureLeavesTheIdentityThatThereIs() throws {
    source.next.withLock { $0 = [made("a", 5000), .failed(CredentialFailure("busy", .passing)), made("c", 9000)] }
    other.next.withLock { $0 = [made("b")] }
    let cache = both
    _ = try cache.credentials()
    clock.advance(seconds: 3800)
    #expect(try cache.credentials().accessKeyID == "a")
    clock.advance(seconds: CredentialCache.renewalPause)
    #expect(try cache.credentials().accessKeyID == "c")
    #expect(other.asked.withLock { $0 } == 0)
  }

  /// A file that is away while it is exchanged, say.
  @Test func aPlaceThatHadSomeIsStayedWith() throws {
    source.next.withLock { $0 = [made("a"), .missing("gone"), made("c")] }
    other.next.withLock { $0 = [made("b")] }
    let cache = both
    cache.reject(try cache.credentials())
    let error = #expect(throws: CredentialFailure.self) { try cache.credentials() }
    #expect(error?.kind == .passing && error?.message.contains("test: gone") == true)
    #expect(try cache.credentials().accessKeyID == "c")
    #expect(other.asked.withLock { $0 } == 0)
  }

  @Test func anEarlierPlaceMayComeToHaveSome() throws {
    source.next.withLock { $0 = [.missing("nothing"), made("a")] }
    other.next.withLock { $0 = [made("b")] }
    let cache = both
    cache.reject(try cache.credentials())
    #expect(try cache.credentials().accessKeyID == "a")
  }
}
