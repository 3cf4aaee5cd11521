import AOFCore
import AOFSystem
import Synchronization

/// Disk space that is set aside, so that on a full disk the store can still be opened, and sealing, recording and evicting,
/// which is what brings space back, can finish.
///
/// A file of its own that holds nothing. It is given up to the first work that finds the disk full, and taken again once there
/// is room. Until then appends are refused, and nothing is cached: they would take that space from the work that it was given up for.
final class SpaceReserve: Sendable {
  private let path: String
  private let size: Int
  private let disk: any Disk
  /// Whether the space is set aside; nil while a thread changes that.
  private let isHeld = Monitor<Bool?>(false)
  /// Whether it was given up and not taken again.
  private let isGivenUp = Atomic<Bool>(false)

  /// - Parameter size: bytes; 0 for none.
  init(_ layout: StoreLayout, size: Int, disk: any Disk) {
    path = layout.reserve
    self.size = size
    self.disk = disk
    isHeld.withLock { $0 = disk.exists(path) }
  }

  /// Runs `body`, and once more if the disk is full and there is something to give up.
  func tidingOver<Result>(_ body: () throws(AofError) -> Result) throws(AofError) -> Result {
    do throws(AofError) {
      return try body()
    } catch where error.code == .noSpace {
      guard release() else { throw error }
    }
    return try body()
  }

  /// Whether ``admitGrowth()`` returns.
  var admitsGrowth: Bool {
    guard isGivenUp.load(ordering: .relaxed) else { return true }
    refill()
    return !isGivenUp.load(ordering: .relaxed)
  }

  /// For appends, and copies of what the remote holds: they come after the work that the space was given up for.
  /// - Throws: `noSpace` while that needs it. Costs a look at a flag otherwise.
  func admitGrowth() throws(AofError) {
    guard !admitsGrowth else { return }
    throw AofError(
      .noSpace, "the disk of the store is full but for what sealing and evicting need",
      remedy: "free at least \(ByteCount(rawValue: UInt64(size) * 2)) there: checkpoint and evict logs, or trim them")
  }

  /// Gives the space up. False if there is none, nor was.
  private func release() -> Bool {
    // Where another thread was faster there is room now, too.
    guard take(ifHeld: true) else { return isGivenUp.load(ordering: .relaxed) }
    do throws(AofError) { try disk.remove(path) } catch {
      settle(isHeld: disk.exists(path))
      return false
    }
    isGivenUp.store(true, ordering: .relaxed)
    settle(isHeld: false)
    return true
  }

  /// Sets the space aside, if it is not and there is room: twice as much, so that what was given up is not taken from
  /// appends that need it right now.
  func refill() {
    guard size > 0, hasRoom, take(ifHeld: false) else { return }
    var isDone = true
    do throws(AofError) {
      let file = try disk.open(path, .readWriteCreate)
      do throws(AofError) {
        try file.allocate(size)
      } catch {
        isDone = false
        try disk.remove(path)
      }
    } catch {
      isDone = false
    }
    if isDone { isGivenUp.store(false, ordering: .relaxed) }
    settle(isHeld: isDone)
  }

  private var hasRoom: Bool {
    do throws(AofError) {
      let facts = try PathFacts.fileSystem(of: SystemDisk.parent(of: path))
      return UInt64(facts.f_bavail) * UInt64(facts.f_frsize) >= UInt64(size) * 2
    } catch {
      return false
    }
  }

  /// Waits while another thread changes it.
  private func take(ifHeld expected: Bool) -> Bool {
    isHeld.wait { held -> Bool? in
      guard let known = held else { return nil }
      if known == expected { held = nil }
      return known == expected
    }
  }

  private func settle(isHeld held: Bool) { isHeld.change { $0 = held } }
}
