import AOFCore
import Foundation

/// The name of a log in JSON: text, and where the name is no UTF-8, its bytes too.
package struct ReportedPath: Hashable, Sendable {
  package let bytes: [UInt8]

  package init(_ path: LogPath) { bytes = path.bytes }

  /// With U+FFFD for what is no UTF-8.
  package var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Nil where ``text`` says it all.
  var base64: String? { Array(text.utf8) == bytes ? nil : Data(bytes).base64EncodedString() }

  init(text: String, base64: String?) throws {
    guard let base64 else {
      bytes = Array(text.utf8)
      return
    }
    guard let data = Data(base64Encoded: base64) else {
      throw AofError(.invalidArgument, "path_base64 is no base64")
    }
    bytes = Array(data)
  }
}

/// What there is to know about one log.
package struct LogStatus: Hashable, Sendable {
  package let path: ReportedPath
  package let id: UInt64
  package let chunkSize: UInt64
  package let generation: UInt32
  package let headLSN: UInt64
  package let remoteLSN: UInt64
  package let sealedLSN: UInt64
  package let durableLSN: UInt64
  package let tailLSN: UInt64
  /// Bytes that the log takes on the local disk.
  package let localBytes: UInt64
  /// RFC 3339, UTC.
  package let modified: String
  /// Why the log takes no appends; nil if it does.
  package let failure: String?

  package init(
    path: ReportedPath, id: UInt64, chunkSize: UInt64, generation: UInt32, headLSN: UInt64, remoteLSN: UInt64,
    sealedLSN: UInt64, durableLSN: UInt64, tailLSN: UInt64, localBytes: UInt64, modified: String,
    failure: String?
  ) {
    self.path = path
    self.id = id
    self.chunkSize = chunkSize
    self.generation = generation
    self.headLSN = headLSN
    self.remoteLSN = remoteLSN
    self.sealedLSN = sealedLSN
    self.durableLSN = durableLSN
    self.tailLSN = tailLSN
    self.localBytes = localBytes
    self.modified = modified
    self.failure = failure
  }
}

extension LogStatus: Codable {
  private enum Key: String, CodingKey {
    case path
    case pathBase64 = "path_base64"
    case id
    case chunkSize = "chunk_size"
    case generation
    case headLSN = "head_lsn"
    case remoteLSN = "remote_lsn"
    case sealedLSN = "sealed_lsn"
    case durableLSN = "durable_lsn"
    case tailLSN = "tail_lsn"
    case localBytes = "local_bytes"
    case modified, failure
  }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    path = try ReportedPath(
      text: values.decode(String.self, forKey: .path),
      base64: values.decodeIfPresent(String.self, forKey: .pathBase64))
    id = try values.decode(UInt64.self, forKey: .id)
    chunkSize = try values.decode(UInt64.self, forKey: .chunkSize)
    generation = try values.decode(UInt32.self, forKey: .generation)
    headLSN = try values.decode(UInt64.self, forKey: .headLSN)
    remoteLSN = try values.decode(UInt64.self, forKey: .remoteLSN)
    sealedLSN = try values.decode(UInt64.self, forKey: .sealedLSN)
    durableLSN = try values.decode(UInt64.self, forKey: .durableLSN)
    tailLSN = try values.decode(UInt64.self, forKey: .tailLSN)
    localBytes = try values.decode(UInt64.self, forKey: .localBytes)
    modified = try values.decode(String.self, forKey: .modified)
    failure = try values.decodeIfPresent(String.self, forKey: .failure)
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(path.text, forKey: .path)
    try values.encodeIfPresent(path.base64, forKey: .pathBase64)
    try values.encode(id, forKey: .id)
    try values.encode(chunkSize, forKey: .chunkSize)
    try values.encode(generation, forKey: .generation)
    try values.encode(headLSN, forKey: .headLSN)
    try values.encode(remoteLSN, forKey: .remoteLSN)
    try values.encode(sealedLSN, forKey: .sealedLSN)
    try values.encode(durableLSN, forKey: .durableLSN)
    try values.encode(tailLSN, forKey: .tailLSN)
    try values.encode(localBytes, forKey: .localBytes)
    try values.encode(modified, forKey: .modified)
    try values.encodeIfPresent(failure, forKey: .failure)
  }
}

/// What there is to know about a store.
package struct StoreStatus: Hashable, Sendable, Codable {
  package var store: String
  package var storeID: String
  package var chunkSize: UInt64
  package var cacheSize: UInt64
  /// In seconds.
  package var trashAge: UInt64
  package var remote: String
  package var walDirectory: String
  package var logs: [LogStatus]
  /// Why WALs take nothing any more, one for each; nil if all do.
  package var walFailures: [String]?
  /// Commands that are being carried out, oldest first; nil if none is.
  package var running: [RunningCommand]?
  /// What went wrong since the store was opened, oldest first, each with its time; nil if nothing did.
  package var incidents: [String]?

  package init(
    store: String, storeID: String, chunkSize: UInt64, cacheSize: UInt64, trashAge: UInt64, remote: String,
    walDirectory: String, logs: [LogStatus], walFailures: [String] = [], running: [RunningCommand] = [],
    incidents: [String] = []
  ) {
    self.walFailures = walFailures.isEmpty ? nil : walFailures
    self.running = running.isEmpty ? nil : running
    self.incidents = incidents.isEmpty ? nil : incidents
    self.store = store
    self.storeID = storeID
    self.chunkSize = chunkSize
    self.cacheSize = cacheSize
    self.trashAge = trashAge
    self.remote = remote
    self.walDirectory = walDirectory
    self.logs = logs
  }

  private enum CodingKeys: String, CodingKey {
    case store
    case storeID = "store_id"
    case chunkSize = "chunk_size"
    case cacheSize = "cache_size"
    case trashAge = "trash_age"
    case remote
    case walDirectory = "wal_dir"
    case logs
    case walFailures = "wal_failures"
    case running, incidents
  }
}

/// A command that is being carried out.
package struct RunningCommand: Hashable, Sendable, Codable {
  /// As it could be written to the control file.
  package var command: String
  /// RFC 3339, UTC.
  package var since: String
  /// How far it is, where that is known.
  package var doneBytes: UInt64?
  package var totalBytes: UInt64?

  package init(command: String, since: String, doneBytes: UInt64? = nil, totalBytes: UInt64? = nil) {
    self.command = command
    self.since = since
    self.doneBytes = doneBytes
    self.totalBytes = totalBytes
  }

  private enum CodingKeys: String, CodingKey {
    case command, since
    case doneBytes = "done_bytes"
    case totalBytes = "total_bytes"
  }
}
