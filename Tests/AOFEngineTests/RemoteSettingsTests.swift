import AOFCore
import AOFEngine
import AOFRemote
import Foundation
import Testing

@Suite struct RemoteSettingsTests {
  /// The remote that a store keeps when it is opened with this one.
  private func remote(_ store: TestStore, openedWith remote: String?) throws -> String {
    store.options.remote = remote
    let kept = try store.manager().settings.remote
    try store.close()
    return kept
  }

  @Test func theWayToABucketMayChangeAndTheBucketMayNot() throws {
    let store = TestStore()
    store.remote = try DirectoryStore(path: store.directory.path + "/bucket", create: true)
    let first = "s3://bucket/p?endpoint=http://old&region=r"
    #expect(try remote(store, openedWith: first) == first)
    #expect(try remote(store, openedWith: nil) == first)
    let second = "s3://bucket/p?endpoint=http://new&region=r&sse=AES256"
    #expect(try remote(store, openedWith: "s3://bucket/p/?endpoint=http://new&sse=AES256") == second)
    #expect(try remote(store, openedWith: nil) == second)
    for other in ["s3://bucket/q", "s3://other/p", "s3://bucket", "dir:/tmp/p"] {
      let error = try #require(throws: AofError.self) { try remote(store, openedWith: other) }
      #expect(error.code == .invalidArgument && error.description.contains("s3://bucket/p"))
    }
    #expect(try remote(store, openedWith: nil) == second)
  }

  /// A name that is misspelt must not be the store's for good.
  @Test func aBucketThatDoesNotAnswerIsNobodys() throws {
    let store = TestStore()
    store.options.remote = "s3://bukcet/p?endpoint=http://127.0.0.1:1&region=r&retry=1s"
    #expect(#expect(throws: AofError.self) { try store.manager() }?.code == .remoteFailure)
    let right = "s3://bucket/p?endpoint=http://127.0.0.1:1&region=r&retry=1s"
    store.remote = try DirectoryStore(path: store.directory.path + "/bucket", create: true)
    #expect(try remote(store, openedWith: right) == right)
    // Nothing was published to it yet; still the logs that are here can be used while it is away.
    try store.log().append([1])
    try store.close()
    store.remote = nil
    #expect(try store.log().contents() == [1])
    #expect(throws: AofError.self) { try store.log().checkpoint() }
  }

  @Test(arguments: ["GLACIER", "DEEP_ARCHIVE", "glacier"])
  func classesThatMustBeRestoredAreRefused(_ name: String) throws {
    let store = TestStore()
    store.remote = try DirectoryStore(path: store.directory.path + "/bucket", create: true)
    func refusal() -> AofError? {
      #expect(throws: AofError.self) { try remote(store, openedWith: "s3://bucket/p?region=r&storage_class=\(name)") }
    }
    let error = refusal()
    #expect(error?.code == .invalidArgument && error?.description.contains("GLACIER_IR") == true)
    let usable = "s3://bucket/p?region=r&storage_class=GLACIER_IR"
    #expect(try remote(store, openedWith: usable) == usable)
    #expect(refusal()?.description.contains("GLACIER_IR") == true)
  }

  /// Another environment might find another bucket.
  @Test func theRegionIsKeptFromTheCreationOn() throws {
    let store = TestStore()
    store.remote = try DirectoryStore(path: store.directory.path + "/bucket", create: true)
    #expect(try remote(store, openedWith: "s3://bucket/p").contains("?region="))
  }
}
