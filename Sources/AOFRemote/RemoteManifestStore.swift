import AOFCore
import AOFFormat

/// The manifest chain of one store in its remote. Every call blocks on the remote.
package final class RemoteManifestStore: Sendable {
  package enum Publication: Hashable, Sendable {
    case published
    /// The sequence has another record; ``RemoteManifestRecord/conflict(with:ownsEpoch:)`` says what follows.
    case taken(RemoteManifestRecord)
  }

  private let store: any RemoteStore
  private let storeID: String

  /// Opens the chain of the store with this id. With `create`, a remote that nobody has used yet is claimed
  /// for it.
  ///
  /// - Throws: `notAStore` if the remote is of another store, or of none; `newerVersion`; `corrupt`;
  ///   `remoteFailure`.
  package init(_ store: any RemoteStore, storeID: String, create: Bool) throws(AofError) {
    self.store = store
    self.storeID = storeID
    var header = try Self.header(of: store)
    if header == nil, create {
      let bytes = try RemoteStoreHeader(storeID: storeID).encode()
      _ = try Self.put(bytes, as: RemoteKey(RemoteStoreHeader.key), in: store)
      // Read back: another store may have been faster.
      header = try Self.header(of: store)
    }
    guard let header else {
      throw AofError(.notAStore, "\(store) is not the remote of a store: it has no \(RemoteStoreHeader.key)")
    }
    guard header.storeID == storeID else {
      throw AofError(
        .notAStore, "\(store) is the remote of store \(header.storeID), not of \(storeID)",
        remedy: "give each store a remote of its own")
    }
  }

  /// What the remote says that it is, or nil if it is nobody's. - Throws: as ``RemoteStoreHeader``.
  package static func header(of store: any RemoteStore) throws(AofError) -> RemoteStoreHeader? {
    guard let bytes = try store.get(RemoteKey(RemoteStoreHeader.key), limit: RemoteStoreHeader.maximumSize)
    else {
      return nil
    }
    return try RemoteStoreHeader(decoding: bytes)
  }

  /// Creates the record, unless its sequence has one. If that is this very record, an earlier try had
  /// landed and only its answer was lost: it counts as published.
  ///
  /// - Throws: `tooLarge`; `notAStore`, `newerVersion` or `corrupt` for the record that is there;
  ///   `remoteFailure`.
  package func publish(_ record: RemoteManifestRecord) throws(AofError) -> Publication {
    let bytes = try record.encode()
    guard bytes.count <= RemoteManifestRecord.maximumSize else {
      throw AofError(.tooLarge, "\(record) would have \(bytes.count) bytes")
    }
    let key = try RemoteKey(RemoteManifestRecord.key(sequence: record.sequence))
    if try Self.put(bytes, as: key, in: store) == .created { return .published }
    guard let other = try read(record.sequence) else {
      throw AofError(.remoteFailure, "\(store): \(key) exists and cannot be found")
    }
    return other == record ? .published : .taken(other)
  }

  /// The record with this sequence, or nil if there is none.
  package func read(_ sequence: UInt64) throws(AofError) -> RemoteManifestRecord? {
    let key = try RemoteKey(RemoteManifestRecord.key(sequence: sequence))
    guard let bytes = try store.get(key, limit: RemoteManifestRecord.maximumSize) else { return nil }
    return try RemoteManifestRecord(decoding: bytes, storeID: storeID, sequence: sequence)
  }

  /// The sequences above `last`, rising, at most `limit`. Fewer mean that there are no more.
  package func sequences(after last: UInt64, limit: Int) throws(AofError) -> [UInt64] {
    let directory = try RemoteKey(RemoteManifestRecord.directory)
    var found: [UInt64] = []
    var last = try RemoteKey(RemoteManifestRecord.key(sequence: last))
    while found.count < limit {
      let page = try store.list(directory, after: last, limit: limit)
      // Files of others may lie there, too.
      found += page.compactMap { RemoteManifestRecord.sequence(ofKey: $0.key.text) }
      guard page.count == limit, let end = page.last?.key else { break }
      last = end
    }
    return Array(found.prefix(limit))
  }

  private static func put(_ bytes: [UInt8], as key: RemoteKey, in store: any RemoteStore)
    throws(AofError) -> RemoteOutcome
  {
    try bytes.withUnsafeBytes { bytes in
      Result { () throws(AofError) in try store.put(bytes, as: key, .ifAbsent) }
    }.get()
  }
}

extension RemoteManifestRecord {
  /// What a writer does about a record that has the sequence which it wanted.
  package enum Conflict: Hashable, Sendable {
    /// Apply the other record, then publish what is left to say with the next sequence.
    case adopt
    /// Apply the other record, then introduce an epoch above its own.
    case introduceHigherEpoch
    /// Another writer has taken over: turn read-only.
    case fenced
  }

  /// Decides by the table in docs/format/remote-layout.md.
  ///
  /// - Parameter ownsEpoch: whether this writer's epoch is one that it has published a record of, and not
  ///   one that it is about to introduce.
  package func conflict(with other: RemoteManifestRecord, ownsEpoch: Bool) -> Conflict {
    if other.writerNonce == writerNonce || other.epoch < epoch { return .adopt }
    if other.epoch > epoch { return ownsEpoch ? .fenced : .introduceHigherEpoch }
    return ownsEpoch ? .adopt : .introduceHigherEpoch
  }
}
