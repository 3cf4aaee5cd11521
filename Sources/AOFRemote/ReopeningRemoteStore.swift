import AOFCore
import AOFFormat
import AOFSystem

/// A remote that may not be there: as long as it cannot be opened each call tries again and fails, and a directory that
/// failed is opened anew by the next call, for another one may be mounted in its place.
///
/// So a store whose remote is away, a share that is not mounted say, takes appends and serves what is on its disk, and
/// goes on with the remote as soon as that is back. Never creates the remote: an empty directory in the place of the
/// real one would take uploads that nobody finds again.
package final class ReopeningRemoteStore: RemoteStore {
  private let location: RemoteLocation
  private let makeStore: @Sendable () throws(AofError) -> any RemoteStore
  private let opened = Lock<(any RemoteStore)?>(nil)

  package init(_ location: RemoteLocation, makeStore: @escaping @Sendable () throws(AofError) -> any RemoteStore) {
    self.location = location
    self.makeStore = makeStore
  }

  package var description: String { location.place }

  /// Opens the remote if it is not. - Throws: what keeps it from being opened.
  package func open() throws(AofError) { _ = try store() }

  private func store() throws(AofError) -> any RemoteStore {
    if let store = opened.withLock({ $0 }) { return store }
    let store = try makeStore()
    // Two threads may have opened it; both are as good.
    opened.withLock { $0 = store }
    return store
  }

  /// - Throws: `remoteFailure` for as long as the remote cannot be opened; what `body` throws.
  private func withStore<Result>(_ body: (any RemoteStore) throws(AofError) -> Result) throws(AofError) -> Result {
    let store: any RemoteStore
    do throws(AofError) {
      store = try self.store()
    } catch {
      throw AofError(
        .remoteFailure, "the remote \(location), which the store has used before, cannot be opened",
        remedy: "mount it or bring it back; what is on the local disk can be used meanwhile", cause: error)
    }
    do throws(AofError) {
      return try body(store)
    } catch {
      if error.code == .remoteFailure { reopenDirectory() }
      throw error
    }
  }

  private func reopenDirectory() {
    if case .directory = location { opened.withLock { $0 = nil } }
  }

  package func cancel() { opened.withLock { $0 }?.cancel() }

  package func read(_ key: RemoteKey, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(AofError) {
    try withStore { store throws(AofError) in try store.read(key, at: offset, into: buffer) }
  }

  package func get(_ key: RemoteKey, limit: Int) throws(AofError) -> [UInt8]? {
    let bytes = try withStore { store throws(AofError) in try store.get(key, limit: limit) }
    // It was there when the remote was opened: a directory that lost it was deleted, or taken away from below its path.
    if bytes == nil, key.text == RemoteStoreHeader.key { reopenDirectory() }
    return bytes
  }

  package func size(of key: RemoteKey) throws(AofError) -> UInt64? {
    try withStore { store throws(AofError) in try store.size(of: key) }
  }

  package func list(
    _ directory: RemoteKey?, after last: RemoteKey?, limit: Int
  ) throws(AofError) -> [RemoteListing] {
    try withStore { store throws(AofError) in try store.list(directory, after: last, limit: limit) }
  }

  package func delete(_ key: RemoteKey) throws(AofError) {
    try withStore { store throws(AofError) in try store.delete(key) }
  }

  package func abandonUploads(_ isOurs: (RemoteKey) -> Bool) throws(AofError) -> Int {
    try withStore { store throws(AofError) in try store.abandonUploads(isOurs) }
  }

  package func put(
    _ bytes: UnsafeRawBufferPointer, as key: RemoteKey, _ condition: RemoteCondition
  ) throws(AofError) -> RemoteOutcome {
    try withStore { store throws(AofError) in try store.put(bytes, as: key, condition) }
  }

  package func beginUpload(_ key: RemoteKey) throws(AofError) -> any RemoteUpload {
    try withStore { store throws(AofError) in try store.beginUpload(key) }
  }
}
