import AOFCore
import AOFSystem
import Foundation

extension SimulatedDisk {
  /// The disk as the next life finds it. `manifest`: the directory with the manifest's files as they were at the end.
  func successor(root: String, machine: Machine, manifest: String) throws -> SimulatedDisk {
    let next = SimulatedDisk(root: root, machine: machine, flaw: flaw)
    switch self.machine.end {
    case .powerCut: try cutPower(next, manifest)
    case .kill, nil: try endProcess(next, manifest)
    }
    return next
  }

  private func endProcess(_ next: SimulatedDisk, _ manifest: String) throws {
    next.names = names
    next.platterNames = platterNames
    next.pendingNames = pendingNames
    for case .file(let image) in sorted(names).map(\.1) { image.survivesProcess(&next.machine.chance) }
    try copyManifest(to: next, from: manifest, undoing: false)
  }

  private func cutPower(_ next: SimulatedDisk, _ manifest: String) throws {
    let cut = PowerCut(&next.machine.chance)
    next.machine.trace.add("  of what was not synced, \(cut.survival) % of \(cut.unit) bytes survive")
    var survivors = platterNames
    var undoesManifest = false
    for (_, changes) in pendingNames.sorted(by: { $0.key < $1.key }) {
      let kept = next.machine.chance.below(changes.count + 1)
      for (index, change) in changes.enumerated() {
        let survives = cut.keepsOrder ? index < kept : next.machine.chance.percent(cut.survival)
        if survives { Self.apply(change, to: &survivors) }
        if !survives, case .renamedOutside = change { undoesManifest = true }
      }
    }
    for (name, node) in sorted(survivors) where isReachable(name, in: survivors) {
      switch node {
      case .directory: next.names[name] = .directory
      case .file(let image): next.names[name] = .file(image.afterPowerCut(cut, &next.machine.chance))
      }
    }
    next.platterNames = next.names
    try copyManifest(to: next, from: manifest, undoing: undoesManifest)
  }

  private func sorted(_ names: [String: Node]) -> [(String, Node)] { names.sorted { $0.key < $1.key } }

  private func isReachable(_ name: String, in names: [String: Node]) -> Bool {
    if name == "/" || name == Self.elsewhere { return true }
    guard case .directory = names[Self.parent(of: name)] else { return false }
    return isReachable(Self.parent(of: name), in: names)
  }

  private func copyManifest(to next: SimulatedDisk, from manifest: String, undoing: Bool) throws {
    guard case .directory = next.names["/"] else { return }
    try SystemDisk().makeDirectory(next.root)
    for name in try SystemDisk().list(manifest) {
      let newName = undoing ? "manifest.sqlite.new" + name.dropFirst("manifest.sqlite".count) : name
      try FileManager.default.copyItem(atPath: manifest + "/" + name, toPath: next.root + "/" + newName)
    }
  }

  /// Called before each step: for the flaw that recycles before it commits.
  func saveManifestBefore() throws {
    guard flaw == .recyclesBeforeCommit else { return }
    hasRecycled = false
    let directory = root + "-before"
    try? FileManager.default.removeItem(atPath: directory)
    try SystemDisk().makeDirectory(directory)
    try saveManifest(to: directory, isEnd: false)
    manifestBefore = directory
  }

  /// Copies the manifest's files as they are now. Each of SQLite's commits is durable when it returns, and none is under
  /// way while the engine uses the disk. The index of SQLite's journal is left out: it belongs to a process.
  func saveManifest(to directory: String, isEnd: Bool = true) throws {
    guard SystemDisk().exists(root) else { return }
    let source = isEnd && hasRecycled ? manifestBefore ?? root : root
    for name in try SystemDisk().list(source) where Self.isManifest("/" + name) && !name.hasSuffix("-shm") {
      try FileManager.default.copyItem(atPath: source + "/" + name, toPath: directory + "/" + name)
    }
  }
}
