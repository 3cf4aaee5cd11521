import AOFCore

/// A place for objects, with the operations that S3 has: whole objects are written under a key, and ranges
/// of them are read.
///
/// Every call blocks until it is done, and belongs on threads that may wait. Calls from any number of
/// threads at once are fine. A store retries what is worth retrying itself, on fresh connections where it
/// has any; what it throws is final and names the object and the cause. Its code is `remoteFailure` where
/// no other is named.
public protocol RemoteStore: Sendable, CustomStringConvertible {
  /// Fills `buffer` with the bytes of the object from `offset` on.
  ///
  /// - Throws: `notFound`; `corrupt` if the object ends before the buffer is full. Never fills less without
  ///   an error: an implementation compares the length that was announced with the bytes that came.
  func read(_ key: RemoteKey, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(AofError)

  /// The whole object, or nil if there is none.
  ///
  /// - Throws: `tooLarge` if it has more than `limit` bytes, before they are read.
  func get(_ key: RemoteKey, limit: Int) throws(AofError) -> [UInt8]?

  /// The size of the object in bytes, or nil if there is none.
  func size(of key: RemoteKey) throws(AofError) -> UInt64?

  /// Objects whose keys begin with `directory` and a slash (all for nil) and come after `last`, in the order
  /// of their keys. Less than `limit` of them means that there are no more.
  func list(_ directory: RemoteKey?, after last: RemoteKey?, limit: Int) throws(AofError) -> [RemoteListing]

  /// Deletes the object. One that is not there is no error: an earlier try may have succeeded.
  func delete(_ key: RemoteKey) throws(AofError)

  /// Gives up uploads that were begun and never ended, as a process does that is killed, if `isOurs` says so of their key.
  /// What is left of them can be found in no listing, and costs all the same.
  /// - Returns: how many there were.
  func abandonUploads(_ isOurs: (RemoteKey) -> Bool) throws(AofError) -> Int

  /// Writes a whole object in one request. It is durable on return, with either outcome.
  ///
  /// - Throws: `unsupported` for `ifAbsent` if the store cannot keep that promise.
  func put(_ bytes: UnsafeRawBufferPointer, as key: RemoteKey, _ condition: RemoteCondition)
    throws(AofError) -> RemoteOutcome

  /// Begins an object that is written piece by piece, in bounded memory.
  func beginUpload(_ key: RemoteKey) throws(AofError) -> any RemoteUpload

  /// Whoever uses the store goes: nothing is begun or repeated any more, and what is under way ends soon, or fails with
  /// `interrupted`. Does not wait.
  func cancel()
}

extension RemoteStore {
  /// A store whose calls end by themselves.
  public func cancel() {}

  /// A store where nothing is left of them.
  public func abandonUploads(_ isOurs: (RemoteKey) -> Bool) throws(AofError) -> Int { 0 }
}

/// An object on its way. Nothing of it can be seen under its key before ``commit(_:)``. One thread at a
/// time; an upload that is let go without a commit is abandoned.
public protocol RemoteUpload: AnyObject {
  /// Appends bytes; they are copied or written before the call returns.
  func write(_ bytes: UnsafeRawBufferPointer) throws(AofError)

  /// Makes the object visible, whole and durable. After this, or after an error of it, the upload is over.
  ///
  /// - Throws: `unsupported` for `ifAbsent` if the store cannot keep that promise for an object that was
  ///   sent in pieces, as most S3 stores cannot; ``RemoteStore/put(_:as:_:)`` is for names that several
  ///   writers may want.
  func commit(_ condition: RemoteCondition) throws(AofError) -> RemoteOutcome

  /// Takes back what was written. Does nothing once the upload is over.
  func abandon()
}

/// What must be so for an object to be written.
public enum RemoteCondition: Hashable, Sendable {
  case always
  /// Of all who write the key with this condition, however close, one creates it.
  case ifAbsent
}

/// What became of a conditional write.
public enum RemoteOutcome: Hashable, Sendable {
  case created
  /// Nothing was written, since the key has an object.
  case alreadyExists
}

/// One object of a listing.
public struct RemoteListing: Hashable, Sendable {
  public let key: RemoteKey
  /// Bytes.
  public let size: UInt64

  public init(key: RemoteKey, size: UInt64) {
    self.key = key
    self.size = size
  }
}
