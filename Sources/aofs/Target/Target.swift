import AOFCore
import AOFSystem
import Glibc

/// What a LOG, STORE or MOUNTPOINT on the command line names.
enum Target: Equatable {
  /// A path under a mount; empty for the mount's top. It may be a log, a directory, or missing.
  case mounted(MountedStore, LogPath)
  /// A store that is not mounted here, and a log in it, if one is named.
  case store(String, LogPath?)

  /// Looks at the machine's mounts first, then takes `text` apart as STORE:NAME.
  ///
  /// - Parameter mayCreateStore: whether the STORE of STORE:NAME may be missing.
  /// - Throws: `notFound` if it is neither; `system(ENOTCONN)` for a dead mount.
  init(_ text: String, mayCreateStore: Bool = false) throws(AofError) {
    guard !text.isEmpty else { throw AofError(.invalidArgument, "an empty path", remedy: Self.forms) }
    let table = try MountTable.current()
    if let path = try Self.realPath(text, in: table), let found = try Self.mounted(path, in: table) {
      self = found
    } else {
      self = try Self.unmounted(text, mayCreateStore: mayCreateStore) { path in
        do throws(AofError) { return try FileFacts(of: path).isDirectory } catch { return false }
      }
    }
  }

  private static let forms = "give a path under an aofs mount, or STORE:NAME for a store that is not mounted"

  /// Nil for a path that leads nowhere: it may still be STORE:NAME.
  private static func realPath(_ text: String, in table: MountTable) throws(AofError) -> String? {
    do throws(AofError) {
      return try FileFacts.resolved(text)
    } catch {
      guard error.errno == ENOTCONN else { return nil }
      let path = text.hasPrefix("/") ? text : try FileFacts.resolved(".") + "/" + text
      throw MountedStore.dead(table.entry(showing: path)?.mountPoint ?? text)
    }
  }

  /// Nil if the mount that shows the path is not ours. `path` is absolute, without links.
  static func mounted(_ path: String, in table: MountTable) throws(AofError) -> Target? {
    guard let entry = table.entry(showing: path), entry.type == MountedStore.type else { return nil }
    let below = entry.mountPoint == "/" ? path : String(Substring(path.utf8.dropFirst(entry.mountPoint.utf8.count)))
    let name = try LogPath(entry.root + "/" + below)
    // A bind mount of a directory of the mount does not show the control files: go by the mount's top.
    let top = entry.root == "/" ? entry : table.entries.last { $0.device == entry.device && $0.root == "/" }
    guard let top else {
      throw AofError(
        .notFound, "\(entry.mountPoint) shows a part of a mount whose top is not mounted here",
        remedy: "use the mount point that 'aofs mount' was given")
    }
    return .mounted(MountedStore(mountPoint: top.mountPoint), name)
  }

  /// STORE or STORE:NAME. Both may hold colons: the shortest STORE that is a directory counts.
  static func unmounted(
    _ text: String, mayCreateStore: Bool, isDirectory: (String) -> Bool
  ) throws(AofError) -> Target {
    let colons = text.indices.filter { text[$0] == ":" && $0 > text.startIndex }
    let existing = colons.first { isDirectory(String(text[..<$0])) }
    if let colon = existing ?? (mayCreateStore && !isDirectory(text) ? colons.first : nil) {
      let name = try LogPath(String(text[text.index(after: colon)...]))
      return .store(String(text[..<colon]), name.names.isEmpty ? nil : name)
    }
    guard isDirectory(text) else {
      throw AofError(
        .notFound, "'\(text)' is neither under an aofs mount nor in a store", remedy: forms)
    }
    return .store(text, nil)
  }
}
