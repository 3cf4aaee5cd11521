import AOFCore
import AOFSystem
import Foundation
import GRDB

/// Steps from one version of the manifest to the next.
package struct Migrations: Sendable {
  package typealias Step = @Sendable (Database) throws -> Void

  /// The version that the last step leads to.
  package let version: Int
  /// By the version that a step begins at; each leads to the one after it.
  private let steps: [Int: Step]

  package init(to version: Int, _ steps: [Int: Step]) {
    self.version = version
    self.steps = steps
  }

  /// Those of this aofs. Version 1 is the first, so there are none yet.
  package static let current = Migrations(to: Manifest.version, [:])

  /// The steps from `old` on; nil where one is missing.
  fileprivate func steps(from old: Int) -> [Step]? {
    guard old >= 1, old <= version else { return nil }
    let found = (old..<version).compactMap { steps[$0] }
    return found.count == version - old ? found : nil
  }
}

/// What an upgrade came to.
package struct UpgradeOutcome: Equatable, Sendable {
  package let from: Int
  package let to: Int
  /// The copy of the manifest as it was; nil if nothing had to be changed.
  package let backup: String?

  package init(from: Int, to: Int, backup: String?) {
    self.from = from
    self.to = to
    self.backup = backup
  }
}

extension Manifest {
  /// Brings the manifest at `path`, which nobody has open, to the current version. The manifest as it was is kept beside
  /// it first; all steps are one transaction, so that a crash leaves the old version or the new one.
  /// - Throws: `notFound`, `notAStore`, `newerVersion`, `corrupt`; local failures, and nothing has changed.
  package static func upgrade(
    _ path: String, _ migrations: Migrations = .current, on disk: any Disk
  ) throws(AofError) -> UpgradeOutcome {
    guard FileManager.default.fileExists(atPath: path) else { throw AofError(.notFound, "\(path) does not exist") }
    let manifest = try connect(path) { try check($0, path, upTo: migrations.version) }
    let old = try manifest.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
    guard let steps = migrations.steps(from: old) else {
      throw AofError(.corrupt, "\(path) has the impossible manifest version \(old)")
    }
    guard !steps.isEmpty else {
      try manifest.close()
      return UpgradeOutcome(from: old, to: old, backup: nil)
    }
    let backup = try manifest.keepCopy(path + ".version-\(old)", on: disk)
    try manifest.write { database in
      for step in steps { try step(database) }
      try database.execute(sql: "PRAGMA user_version = \(migrations.version)")
    }
    try manifest.close()
    return UpgradeOutcome(from: old, to: migrations.version, backup: backup)
  }

  /// Copies the database as one transaction sees it, durably. A copy that an earlier try left is replaced.
  private func keepCopy(_ copy: String, on disk: any Disk) throws(AofError) -> String {
    let unfinished = copy + ".new"
    if disk.exists(unfinished) { try disk.remove(unfinished) }
    try whileOpen { database in try database.execute(sql: "VACUUM INTO ?", arguments: [unfinished]) }
    try disk.open(unfinished, .readWrite).syncData()
    try disk.rename(unfinished, to: copy)
    try disk.syncDirectory(SystemDisk.parent(of: copy))
    return copy
  }
}
