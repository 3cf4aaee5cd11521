import AOFCore
import AOFSystem

/// A remote that could not be opened yet: each call tries again, and fails until it can be.
///
/// So a store whose remote is away, a share that is not mounted say, takes appends and serves what is on its disk, and
/// goes on with the remote as soon as that is back. Never creates the remote: an empty directory in the place of the
/// real one would take uploads that nobody finds again.
package final class ReopeningRemoteStore: RemoteStore {
  private let location: RemoteLocation
  private let open: @Sendable () throws(AofError) -> any RemoteStore
  private let opened = Lock<(any RemoteStore)?>(nil)

  package init(_ location: RemoteLocation, open: @escaping @Sendable () throws(AofError) -> any RemoteStore) {
    self.location = location
    self.open = open
  }

  package var description: String { location.place }

  /// The remote. - Throws: `remoteFailure` for as long as it cannot be opened.
  private func store() throws(AofError) -> any RemoteStore {
    if let store = opened.withLock({ $0 }) { return store }
    let store: any RemoteStore
    do throws(AofError) {
      store = try open()
    } catch {
      throw AofError(
        .remoteFailure, "the remote \(location), which the store has used before, cannot be opened",
        remedy: "mount it or bring it back; what is on the local disk can be used meanwhile", cause: error)
    }
    // Two threads may have opened it; both are as good.
    opened.withLock { $0 = store }
    return store
  }

  package func cancel() { opened.withLock { $0 }?.cancel() }

  package func read(_ key: RemoteKey, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(AofError) {
    try store().read(key, at: offset, into: buffer)
  }

  package func get(_ key: RemoteKey, limit: Int) throws(AofError) -> [UInt8]? { try store().get(key, limit: limit) }

  package func size(of key: RemoteKey) throws(AofError) -> UInt64? { try store().size(of: key) }

  package func list(
    _ directory: RemoteKey?, after last: RemoteKey?, limit: Int
  ) throws(AofError) -> [RemoteListing] {
    try store().list(directory, after: last, limit: limit)
  }

  package func delete(_ key: RemoteKey) throws(AofError) { try store().delete(key) }

  package func abandonUploads(_ isOurs: (RemoteKey) -> Bool) throws(AofError) -> Int {
    try store().abandonUploads(isOurs)
  }

  package func put(
    _ bytes: UnsafeRawBufferPointer, as key: RemoteKey, _ condition: RemoteCondition
  ) throws(AofError) -> RemoteOutcome {
    try store().put(bytes, as: key, condition)
  }

  package func beginUpload(_ key: RemoteKey) throws(AofError) -> any RemoteUpload { try store().beginUpload(key) }
}
