import Foundation

/// A directory that goes with the value.
final class TemporaryDirectory {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "aofs-remote-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func child(_ name: String) -> String { path + "/" + name }

  func write(_ bytes: [UInt8], to name: String) throws {
    let url = URL(fileURLWithPath: child(name))
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  func read(_ name: String) -> [UInt8]? { FileManager.default.contents(atPath: child(name)).map(Array.init) }

  /// Everything below, files and directories, sorted.
  func contents() throws -> [String] { try FileManager.default.subpathsOfDirectory(atPath: path).sorted() }

  func permissions(_ name: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: child(name))[.posixPermissions] as? Int
  }
}
