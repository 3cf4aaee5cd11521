import AOFCore
import AOFEngine
import AOFFormat
import AOFRemote

/// Names that are taken away and given back, and logs that go for good.
extension Simulation {
  /// The id is what a log in the trash is known by.
  func discard(_ model: LogModel) throws {
    guard machine.end == nil, let manager, !model.isInTrash else { return }
    machine.trace.add("  discard \(model.name)")
    let id = try manager.openLog(model.name).id
    if try attempt("discarding", { try manager.discardLog(LogPath(model.name)) }) { model.discarded(id, at: clock.latest) }
  }

  /// Renames another log over one.
  func replace(_ model: LogModel) throws {
    let others = logs.filter { $0 !== model && !$0.isInTrash }
    guard machine.end == nil, let manager, !model.isInTrash, !others.isEmpty else { return }
    let other = others[machine.chance.below(others.count)]
    guard let from = manager.resolve(try LogPath(other.name)), let to = manager.resolve(try LogPath(model.name)),
      let name = from.name, let newName = to.name
    else { return }
    machine.trace.add("  rename \(other.name) over \(model.name)")
    let isDone = try attempt("replacing") {
      try manager.rename(name, in: from.parent, to: newName, in: to.parent, replacing: .anything)
    }
    guard isDone else { return }
    model.discarded(to.id, at: clock.latest)
    other.name = model.name
  }

  func restore(_ model: LogModel) throws {
    guard machine.end == nil, let manager, let id = model.trashed else { return }
    let newName = "d-\(machine.chance.below(3))/restored-\(machine.chance.next())"
    machine.trace.add("  restore \(id) as \(newName)")
    if try attempt("restoring", { try manager.restoreLog(id, as: LogPath(newName)) }) { model.restored(as: newName) }
  }

  func purge(_ model: LogModel) throws {
    guard machine.end == nil, let manager, let id = model.trashed else { return }
    machine.trace.add("  purge \(id)")
    if try attempt("purging", { try manager.purge([id]) }) {
      try require(try isGone(id), "log \(id) was purged, and is not gone from disk and remote")
      finishedPurges.append(id)
    }
    // One that was cut short may have gone before that.
    model.isBeingPurged = true
    if machine.end == nil { try forgetPurged() }
  }

  /// Lets go of models whose logs were purged, also in the background: none may go too early, and none that went comes
  /// back.
  func forgetPurged() throws {
    guard machine.end == nil, let manager else { return }
    let trash = Set(try manager.trash().map(\.id))
    for model in logs {
      guard let id = model.trashed, !trash.contains(id) else { continue }
      try require(
        model.isBeingPurged || model.expires <= clock.latest, "log \(id) is gone before its time in the trash has passed")
      purged.append(id)
    }
    logs.removeAll { model in model.trashed.map { !trash.contains($0) } ?? false }
    for model in logs { model.isBeingPurged = false }
    for id in purged { try require(manager.node(id) == nil, "log \(id) was purged, and is back") }
    for id in finishedPurges { try require(try isGone(id), "log \(id) was purged, and its bytes are back") }
  }

  /// Whether neither the disk nor the remote holds anything of a log.
  private func isGone(_ id: LogID) throws -> Bool {
    let objects = try remote.list(RemoteKey("chunks/\(id)"), after: nil, limit: 1)
    return objects.isEmpty && !disk.exists(disk.root + "/chunks/" + FixedWidthNumber.hex(id.rawValue))
  }
}
