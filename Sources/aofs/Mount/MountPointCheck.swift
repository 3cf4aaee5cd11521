import AOFCore
import AOFFuse
import AOFSystem
import Glibc

/// What has to be so before anything is mounted.
enum MountPointCheck {
  /// - Parameter mountPoint: as the user wrote it; it need not exist.
  ///
  /// A dead mount of ours in the place is taken away: its daemon was killed, and this one takes over.
  /// - Throws: `system(ENOTCONN)` for a dead mount that is not ours, or not this user's; `notFound`, `notADirectory`, `notEmpty`; `busy` for a
  ///   place that is mounted already; `invalidArgument` where store and mount point lie in each other.
  static func check(mountPoint: String, store: String, mayHideFiles: Bool) throws(AofError) {
    for (path, what) in [(store, "store"), (mountPoint, "mount point")] where path.isEmpty {
      throw AofError(.invalidArgument, "the \(what) has an empty name", remedy: "name a directory")
    }
    try clearDeadMounts(mountPoint)
    let facts: FileFacts
    do throws(AofError) {
      facts = try FileFacts(of: mountPoint)
    } catch {
      switch error.errno {
      case ENOENT:
        throw AofError(
          .notFound, "the mount point \(mountPoint) does not exist",
          remedy: "create it with 'mkdir -p \(mountPoint)'")
      default: throw error
      }
    }
    guard facts.isDirectory else {
      throw AofError(
        .notADirectory, "the mount point \(mountPoint) is not a directory", remedy: "give a directory")
    }
    let place = try FileFacts.resolved(mountPoint)
    try refuseNesting(place, try resolvedStore(store))
    try refuseMounted(place, try MountTable.current())
    if mayHideFiles { return }
    guard try SystemDisk().list(place).isEmpty else {
      throw AofError(
        .notEmpty, "the mount point \(mountPoint) is not empty, and the mount would hide what is in it",
        remedy: "give an empty directory, or hide it with -o nonempty")
    }
  }

  /// Several may lie on each other.
  private static func clearDeadMounts(_ mountPoint: String) throws(AofError) {
    for _ in 0..<longestStack {
      guard isDead(mountPoint) else { return }
      guard let place = place(of: mountPoint), let entry = try MountTable.current().entry(at: place),
        entry.type == MountedStore.type
      else { throw MountedStore.dead(mountPoint) }
      do throws(AofError) {
        try FuseMount.detach(place)
      } catch {
        throw AofError(
          .system(errno: ENOTCONN), "the mount at \(mountPoint) is dead, and could not be taken away",
          remedy: "clear it with 'umount -l \(mountPoint)' as root", cause: error)
      }
      Output.complain("aofs: took away the dead mount of \(entry.source) at \(place)\n")
    }
  }

  private static let longestStack = 16

  private static func isDead(_ mountPoint: String) -> Bool {
    do throws(AofError) {
      // The kernel may still know the attributes of a dead mount, but never its statistics.
      _ = try PathFacts.fileSystem(of: mountPoint)
      return false
    } catch {
      return error.errno == ENOTCONN
    }
  }

  /// The path without links, where the mount point itself cannot be looked at.
  private static func place(of mountPoint: String) -> String? {
    var path = mountPoint[...]
    while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
    let parent = SystemDisk.parent(of: String(path))
    guard let name = path.split(separator: "/").last, let above = try? FileFacts.resolved(parent) else { return nil }
    return (above == "/" ? "" : above) + "/" + name
  }

  /// The store's path without links. The store itself may be missing; the directory above it may not.
  private static func resolvedStore(_ store: String) throws(AofError) -> String {
    let resolved = try FileFacts.resolved(store)
    let parent = SystemDisk.parent(of: resolved)
    guard SystemDisk().exists(parent) else {
      throw AofError(
        .notFound, "the directory \(parent), in which the store is to be, does not exist",
        remedy: "create it with 'mkdir -p \(parent)'")
    }
    return resolved
  }

  static func refuseMounted(_ place: String, _ table: MountTable) throws(AofError) {
    guard let entry = table.entries.last(where: { $0.mountPoint == place }) else { return }
    let what = entry.type == MountedStore.type ? "the store \(entry.source)" : "a filesystem (\(entry.type))"
    throw AofError(
      .busy, "\(what) is already mounted on \(place)", remedy: "unmount it first, or give another directory")
  }

  static func refuseNesting(_ place: String, _ store: String) throws(AofError) {
    guard MountTable.contains(place, store) || MountTable.contains(store, place) else { return }
    throw AofError(
      .invalidArgument, "the store \(store) and the mount point \(place) lie in one another",
      remedy: "keep them apart")
  }
}
