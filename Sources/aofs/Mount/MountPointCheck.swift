import AOFCore
import AOFFuse
import AOFSystem
import Glibc

/// What has to be so before anything is mounted.
enum MountPointCheck {
  /// - Parameters:
  ///   - mountPoint: as the user wrote it; it need not exist.
  ///   - others: what else the mount writes to, with what it is to people.
  ///
  /// A dead mount of ours in the place is left there until ``takeAwayDeadMounts(_:)``: as long as it is, nobody can write below it.
  /// - Throws: `system(ENOTCONN)` for a dead mount that is not ours; `notFound`, `notADirectory`, `notEmpty`; `busy` for a
  ///   place that is mounted already; `invalidArgument` where the mount point and one of the others lie in each other.
  static func check(
    mountPoint: String, store: String, others: [(path: String, what: String)], mayHideFiles: Bool
  ) throws(AofError) {
    for (path, what) in [(store, "store"), (mountPoint, "mount point")] where path.isEmpty {
      throw AofError(.invalidArgument, "the \(what) has an empty name", remedy: "name a directory")
    }
    let table = try MountTable.current()
    let isDead = try isDeadMount(mountPoint, table)
    if !isDead { try checkDirectory(mountPoint) }
    let place = try resolved(mountPoint)
    if isDead { Output.complain("aofs: this mount takes the place of the dead mount of \(table.entry(at: place)?.source ?? "a store")\n") }
    try refuseNesting(place, try resolvedStore(store))
    for (path, what) in others { try refuseWithin(place, try FileFacts.resolved(path), what) }
    if isDead { return }
    try refuseMounted(place, table)
    if mayHideFiles { return }
    guard try SystemDisk().list(place).isEmpty else {
      throw AofError(
        .notEmpty, "the mount point \(mountPoint) is not empty, and the mount would hide what is in it",
        remedy: "give an empty directory, or hide it with -o nonempty")
    }
  }

  private static func checkDirectory(_ mountPoint: String) throws(AofError) {
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
  }

  /// The mount point without links, also where a dead mount keeps it from being looked at.
  static func resolved(_ mountPoint: String) throws(AofError) -> String {
    do throws(AofError) {
      return try FileFacts.resolved(mountPoint)
    } catch where error.errno == ENOTCONN {
      guard let place = place(of: mountPoint) else { throw error }
      return place
    }
  }

  // MARK: Dead mounts

  /// Takes away mounts of ours whose daemons were killed, several of which may lie on each other. For when all is ready to mount in
  /// their place: what is written there in between is written below the mount.
  /// - Returns: whether there was one.
  static func takeAwayDeadMounts(_ mountPoint: String) throws(AofError) -> Bool {
    for count in 0..<longestStack {
      guard try isDeadMount(mountPoint, try MountTable.current()) else { return count > 0 }
      do throws(AofError) {
        try FuseMount.detach(mountPoint)
      } catch {
        throw AofError(
          .system(errno: ENOTCONN), "the mount at \(mountPoint) is dead, and could not be taken away",
          remedy: "clear it with 'umount -l \(mountPoint)' as root", cause: error)
      }
    }
    return true
  }

  /// Whether a mount of ours is there that nobody serves. Whatever else is mounted is not asked: an automount would wait for us.
  /// - Throws: `system(ENOTCONN)` for a dead mount of another kind.
  private static func isDeadMount(_ mountPoint: String, _ table: MountTable) throws(AofError) -> Bool {
    guard let place = place(of: mountPoint), let entry = table.entry(at: place), entry.type.hasPrefix("fuse") else { return false }
    guard isDead(place) else { return false }
    guard entry.type == MountedStore.type else { throw MountedStore.dead(mountPoint) }
    return true
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
    guard let entry = table.entry(at: place) else { return }
    guard entry.type != "autofs" else {
      throw AofError(
        .busy, "\(place) is automounted, and aofs cannot be mounted on demand",
        remedy: "take x-systemd.automount out of its options, and stop the automount")
    }
    let what = entry.type == MountedStore.type ? "the store \(entry.source)" : "a filesystem (\(entry.type))"
    throw AofError(
      .busy, "\(what) is already mounted on \(place)", remedy: "unmount it first, or give another directory")
  }

  /// The daemon would wait for itself, or write below its own mount.
  static func refuseWithin(_ place: String, _ path: String, _ what: String) throws(AofError) {
    guard MountTable.contains(place, path) else { return }
    throw AofError(
      .invalidArgument, "the \(what) \(path) lies in the mount point \(place)", remedy: "keep them apart")
  }

  static func refuseNesting(_ place: String, _ store: String) throws(AofError) {
    guard MountTable.contains(place, store) || MountTable.contains(store, place) else { return }
    throw AofError(
      .invalidArgument, "the store \(store) and the mount point \(place) lie in one another",
      remedy: "keep them apart")
  }
}
