import AOFCore
import AOFFormat
import AOFRemote
import AOFRemoteS3

extension RemoteLocation {
  /// With what the environment says now and a later opening may not find there.
  package var settled: RemoteLocation {
    switch self {
    case .directory: self
    case .s3(let location): .s3(S3Store.settled(location))
    }
  }

  /// Opens the store there. With `create` a missing directory is created, and a bucket must answer: one that is new to
  /// us may be misspelt. Without, a bucket is asked for nothing yet, and a directory must be the remote of a store: where a
  /// share is to be mounted there may be an empty one. Blocks on the remote.
  ///
  /// - Parameter report: told what people should know though nothing failed, on any thread.
  /// - Throws: `notFound`; `remoteFailure`.
  package func open(
    create: Bool, report: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(AofError) -> any RemoteStore {
    switch self {
    case .directory(let path):
      if !create, try DirectoryStore(reading: path).size(of: RemoteKey(RemoteStoreHeader.key)) == nil {
        throw AofError(
          .remoteFailure, "the directory \(path) has no \(RemoteStoreHeader.key), and so is not the remote of a store",
          remedy: "mount what belongs there")
      }
      return try DirectoryStore(path: path, create: create)
    case .s3(let location):
      let store = try S3Store(location, report: report)
      if create { try store.check() }
      return store
    }
  }

  /// Opens the store there for reading alone: nothing there is created or deleted. Blocks on it.
  ///
  /// - Throws: `notFound`; `remoteFailure`.
  package func openForReading() throws(AofError) -> any RemoteStore {
    switch self {
    case .directory(let path): try DirectoryStore(reading: path)
    case .s3(let location): try S3Store(location)
    }
  }
}
