import AOFCore
import AOFFormat
import AOFSystem

/// Where a store keeps what (docs/ARCHITECTURE.md, "On disk").
struct StoreLayout: Sendable {
  let root: String

  var lock: String { root + "/lock" }
  var manifest: String { root + "/manifest.sqlite" }
  /// A manifest that is being created.
  var newManifest: String { root + "/manifest.sqlite.new" }
  /// What of the cache is to leave first.
  var cacheOrder: String { root + "/cache-order" }
  /// One that is being written.
  var newCacheOrder: String { root + "/cache-order.new" }
  /// Disk space that is set aside.
  var reserve: String { root + "/reserve" }
  /// Whether a name in the store's directory is that of a manifest that was not finished.
  static func isUnfinished(_ name: String) -> Bool { name.hasPrefix("manifest.sqlite.new") }
  /// What the name of a manifest begins with that a recovery has replaced; the time follows.
  static let damagedPrefix = "manifest.sqlite.damaged-"
  /// Copies of what was found damaged.
  var evidence: String { root + "/evidence" }

  /// The places below the store's directory that the manifest names by themselves, so that a store can be moved.
  static let defaultRemote = "dir:remote"
  static let defaultWal = "wal"
  static let defaultChunks = "chunks"

  /// A path of the manifest's, absolute.
  func resolve(_ path: String) -> String { path.hasPrefix("/") ? path : root + "/" + path }

  /// The file of a chunk; `directory` as the manifest has it.
  func chunkFile(_ chunk: ChunkID, of log: LogID, in directory: String) -> String {
    resolve(directory) + "/" + FixedWidthNumber.hex(log.rawValue) + "/" + FixedWidthNumber.hex(chunk.rawValue) + ".chunk"
  }

  /// Whether the directory holds nothing but what a creation that was cut short may leave.
  func isVacant(_ disk: any Disk) throws(AofError) -> Bool {
    for name in try disk.list(root) where name != "lock" && !name.hasPrefix("manifest.sqlite.new") {
      // The WAL's directory is made before the manifest, and has nothing in it then.
      guard name == Self.defaultWal, try disk.list(resolve(name)).isEmpty else { return false }
    }
    return true
  }
}
