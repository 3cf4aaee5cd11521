import AOFCore
import AOFEngine
import AOFSystem

/// Opening a store from the command.
enum StoreOpening {
  /// How long the daemon of a mount that has ended may take to write its last bytes, in milliseconds.
  static let releaseTime = 15_000

  /// umount(8) returns when the mount is out of sight, and the daemon lets go of the store a little later. So a
  /// store that is in use, but not mounted, is waited for.
  /// - Throws: as `AofManager.open`; `locked` at once for a store that is mounted, else after ``releaseTime``.
  static func open(_ path: String, options: StoreOptions) throws(AofError) -> AofManager {
    // The store's directory may be open to everyone, but log names and bytes are for its owner. Logs on a mount are
    // created with the mask of the program that creates them.
    FileFacts.createOnlyForOwner()
    return try whenReleased(path, replacing: options.mountPoint) { () throws(AofError) in
      try AofManager.open(path, options: options)
    }
  }

  /// Runs `body`, which takes the store's lock, and once more if the store was about to be let go of. `replacing`: where the store
  /// is going to be mounted; what is there is dead, and no reason not to wait.
  static func whenReleased<Result>(
    _ path: String, replacing mountPoint: String? = nil, _ body: () throws(AofError) -> Result
  ) throws(AofError) -> Result {
    do throws(AofError) {
      return try body()
    } catch {
      guard error.code == .locked, try isBeingReleased(path, replacing: mountPoint) else { throw error }
    }
    return try body()
  }

  private static func isBeingReleased(_ path: String, replacing mountPoint: String?) throws(AofError) -> Bool {
    let store = try FileFacts.resolved(path)
    let isMounted = try MountTable.current().entries.contains {
      $0.type == MountedStore.type && $0.source == store && $0.mountPoint != mountPoint
    }
    if isMounted { return false }
    for path in [store + "/lock", store] {
      do throws(AofError) {
        guard try LockWait.untilFree(path, atMost: releaseTime) else { return false }
      } catch where error.code == .notFound {
        continue
      }
    }
    return true
  }
}
