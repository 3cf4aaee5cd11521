import AOFCore
import AOFManifest
import AOFSystem

/// What an upgrade came to.
public struct UpgradeReport: Hashable, Sendable {
  public let store: String
  public let oldVersion: Int
  public let version: Int
  /// The copy of the manifest as it was; nil if the store was of the current version.
  public let backup: String?
}

extension AofManager {
  /// Brings a store that is not open to the current version. A crash leaves the old version or the new one.
  /// - Throws: `notFound`, `notAStore`, `newerVersion`, `corrupt`; `locked` for a store that is in use; local failures.
  public static func upgrade(_ path: String) throws(AofError) -> UpgradeReport {
    let layout = StoreLayout(root: try PathFacts.absolute(path))
    let disk = SystemDisk()
    guard disk.exists(layout.manifest) else {
      throw AofError(
        disk.exists(layout.root) ? .notAStore : .notFound, "\(layout.root) is not a store of aofs, or has lost its manifest",
        remedy: "'aofs recover' makes a new manifest of what is left of a store")
    }
    let lock = try StoreLock.acquire(layout, mountPoint: nil, disk: disk)
    defer { lock.release() }
    let outcome = try Manifest.upgrade(layout.manifest, on: disk)
    return UpgradeReport(store: layout.root, oldVersion: outcome.from, version: outcome.to, backup: outcome.backup)
  }
}
