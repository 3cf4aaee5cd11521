import AOFCore
import AOFSystem
import Foundation
import GRDB

extension Manifest {
  /// Opens a private copy of the manifest at `path`, journal included, for reading: SQLite writes to the files beside a
  /// database even of readers, and the original is to stay as it is. Nobody may change that meanwhile.
  ///
  /// The copy goes with the value. In messages it is called by the original's path. With `damaged` it is opened whatever
  /// its header says, for what can still be read of it.
  /// - Throws: as ``open(_:)``.
  package static func openCopy(of path: String, damaged: Bool = false) throws(AofError) -> Manifest {
    guard FileManager.default.fileExists(atPath: path) else {
      throw AofError(.notFound, "\(path) does not exist")
    }
    let directory = try TemporaryDirectory()
    let copy = directory.path + "/copy.sqlite"
    do {
      for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: path + suffix) {
        try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
      }
    } catch {
      throw AofError(
        .localFailure, "the manifest \(path) cannot be copied to \(directory.path): \(error.localizedDescription)",
        remedy: "check space and permissions there, or name another place with TMPDIR")
    }
    return try openCopy(of: path, at: copy, in: directory, damaged: damaged)
  }
}

/// A directory of our own that goes with the value.
final class TemporaryDirectory: Sendable {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("aofs-\(UUID().uuidString)").path

  init() throws(AofError) {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    } catch {
      throw AofError(
        .localFailure, "\(path) cannot be created: \(error.localizedDescription)",
        remedy: "name another place with TMPDIR")
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
