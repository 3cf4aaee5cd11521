import AOFCore
import AOFSystem
import Glibc

/// A disk in memory, as one life of the machine sees it; ``successor(on:at:)`` is what the next life finds.
///
/// Names are relative to the store's directory, which is `/` here. The manifest's files are real ones, for SQLite writes
/// them itself: this disk only passes on what the engine does to their names.
final class SimulatedDisk: Disk, @unchecked Sendable {  // used by the one thread that runs the simulation
  enum Node {
    case directory
    case file(FileImage)
  }

  enum NameChange {
    case added(String, Node)
    case removed(String)
    case renamed(String, to: String)
    /// Of the manifest.
    case renamedOutside(String, to: String)
  }

  /// The directory of the store, for the files that are real.
  let root: String
  let machine: Machine
  let flaw: Flaw?
  /// What programs see.
  var names: [String: Node] = [:]
  /// What the platter holds.
  var platterNames: [String: Node] = [:]
  /// Changes of names that their directory's next sync makes durable, oldest first.
  var pendingNames: [String: [NameChange]] = [:]
  /// Whether a segment was recycled since ``manifestBefore`` was written.
  var hasRecycled = false
  /// A folder with the manifest as it was before the present step, for the flaw that falls back on it.
  var manifestBefore: String?
  private var isLocked = false

  init(root: String, machine: Machine, flaw: Flaw?) {
    self.root = root
    self.machine = machine
    self.flaw = flaw
  }

  // MARK: Places

  /// A directory outside of the store, on the same disk.
  static let elsewhere = "/elsewhere"
  private static let outside = "^"
  private static let manifest = "/manifest.sqlite"

  func relative(_ path: String) throws(AofError) -> String {
    if path == root { return "/" }
    if path == "/" { return Self.outside }
    if path == Self.elsewhere || path.hasPrefix(Self.elsewhere + "/") {
      // Below it each store has a directory, which is named by an id that is another one each time.
      let parts = path.split(separator: "/")
      return (["", parts[0]] + (parts.count > 1 ? ["store"] : []) + parts.dropFirst(2)).joined(separator: "/")
    }
    if path.hasPrefix(root + "/") { return String(path.dropFirst(root.count)) }
    guard path == SystemDisk.parent(of: root) else { throw .systemCall("open", path, errno: ENOENT) }
    return Self.outside
  }

  static func parent(of name: String) -> String {
    name == "/" || name == elsewhere ? outside : SystemDisk.parent(of: name)
  }

  static func isManifest(_ name: String) -> Bool { name.hasPrefix(manifest) }

  func isDirectory(_ name: String) -> Bool {
    if case .directory = names[name] { return true }
    return name == Self.outside
  }

  private func checkParent(of name: String) throws(AofError) {
    guard isDirectory(Self.parent(of: name)) else { throw .systemCall("open", name, errno: ENOENT) }
  }

  // MARK: Disk

  func open(_ path: String, _ mode: OpenMode) throws(AofError) -> File {
    let name = try relative(path)
    return try machine.run(.open, name) { () throws(AofError) in
      if case .directory = names[name] { throw .systemCall("open", name, errno: EISDIR) }
      if case .file(let image) = names[name] {
        // Its name would be another one, were it not for the flaw.
        let isEvidence = flaw?.hasConstantRandom == true && name.hasPrefix("/evidence/")
        if mode == .createNew, !isEvidence { throw .systemCall("open", name, errno: EEXIST) }
        return SimulatedFile(name, image, disk: self)
      }
      guard mode == .createNew || mode == .readWriteCreate else { throw .systemCall("open", name, errno: ENOENT) }
      try checkParent(of: name)
      let image = FileImage()
      add(name, .file(image))
      return SimulatedFile(name, image, disk: self)
    }
  }

  func makeDirectory(_ path: String) throws(AofError) {
    let name = try relative(path)
    try machine.run(.makeDirectory, name) { () throws(AofError) in
      guard !isDirectory(name), names[name] == nil else { throw .systemCall("mkdir", name, errno: EEXIST) }
      try checkParent(of: name)
      if name == "/" { try SystemDisk().makeDirectory(root) }
      add(name, .directory)
    }
  }

  private func add(_ name: String, _ node: Node) {
    names[name] = node
    pendingNames[Self.parent(of: name), default: []].append(.added(name, node))
  }

  func rename(_ path: String, to newPath: String) throws(AofError) {
    let (name, newName) = (try relative(path), try relative(newPath))
    machine.trace.mix(UInt64(newName.utf8.count))
    try machine.run(.rename, name) { () throws(AofError) in
      if Self.isManifest(name) {
        try SystemDisk().rename(path, to: newPath)
        pendingNames["/", default: []].append(.renamedOutside(name, to: newName))
        return
      }
      if newName.hasSuffix(".wal.spare") { hasRecycled = true }
      guard let node = names.removeValue(forKey: name) else { throw .systemCall("rename", name, errno: ENOENT) }
      names[newName] = node
      pendingNames[Self.parent(of: name), default: []].append(.renamed(name, to: newName))
    }
  }

  func remove(_ path: String) throws(AofError) {
    let name = try relative(path)
    try machine.run(.remove, name) { () throws(AofError) in
      if Self.isManifest(name) { return try SystemDisk().remove(path) }
      guard case .file = names[name] else { throw .systemCall("unlink", name, errno: ENOENT) }
      if flaw?.keepsFile(name) == true { return }
      names[name] = nil
      pendingNames[Self.parent(of: name), default: []].append(.removed(name))
    }
  }

  func removeDirectory(_ path: String) throws(AofError) {
    let name = try relative(path)
    try machine.run(.remove, name) { () throws(AofError) in
      guard case .directory = names[name] else { throw .systemCall("rmdir", name, errno: ENOENT) }
      if flaw?.keepsFile(name) == true { return }
      guard !names.keys.contains(where: { Self.parent(of: $0) == name }) else {
        throw .systemCall("rmdir", name, errno: ENOTEMPTY)
      }
      names[name] = nil
      pendingNames[Self.parent(of: name), default: []].append(.removed(name))
    }
  }

  func volume(of directory: String) throws(AofError) -> any Volume { SimulatedVolume(disk: self) }

  fileprivate func syncAll() throws(AofError) {
    try machine.run(.sync, "volume", partly: { for image in self.images { image.failSync(&self.machine.chance) } }) {
      for (name, image) in zip(fileNames, images) where flaw?.forgetsBytes(of: name) != true { image.sync(leaving: nil) }
      for name in pendingNames.keys.sorted() where flaw?.forgetsNames(of: name) != true {
        for change in pendingNames.removeValue(forKey: name) ?? [] { Self.apply(change, to: &platterNames) }
      }
    }
  }

  private var fileNames: [String] {
    names.keys.filter { if case .file = names[$0] { true } else { false } }.sorted()
  }

  private var images: [FileImage] {
    fileNames.compactMap { if case .file(let image) = names[$0] { image } else { nil } }
  }

  func syncDirectory(_ path: String) throws(AofError) {
    let name = try relative(path)
    try machine.run(.syncDirectory, name) { () throws(AofError) in
      guard isDirectory(name) else { throw .systemCall("open", name, errno: ENOENT) }
      if flaw?.forgetsNames(of: name) == true { return }
      for change in pendingNames.removeValue(forKey: name) ?? [] { Self.apply(change, to: &platterNames) }
    }
  }

  func list(_ path: String) throws(AofError) -> [String] {
    let name = try relative(path)
    try machine.checkAlive(name)
    guard isDirectory(name) else { throw .systemCall("opendir", name, errno: ENOENT) }
    let found = names.keys.filter { $0 != "/" && Self.parent(of: $0) == name }.map { String($0.split(separator: "/").last ?? "") }
    return (found + (name == "/" ? try manifestFiles() : [])).sorted()
  }

  /// The real files of the manifest.
  func manifestFiles() throws(AofError) -> [String] {
    try SystemDisk().list(root).filter { Self.isManifest("/" + $0) }
  }

  func exists(_ path: String) -> Bool {
    guard let name = try? relative(path) else { return false }
    return Self.isManifest(name) ? SystemDisk().exists(path) : names[name] != nil || isDirectory(name)
  }

  func checkDirectory(_ path: String) throws(AofError) {
    guard isDirectory(try relative(path)) else { throw AofError(.notADirectory, "\(path) is not a directory") }
  }

  static func apply(_ change: NameChange, to names: inout [String: Node]) {
    switch change {
    case .added(let name, let node): names[name] = node
    case .removed(let name): names[name] = nil
    case .renamed(let name, let newName): names[newName] = names.removeValue(forKey: name) ?? names[newName]
    case .renamedOutside: break
    }
  }

  // MARK: Locking

  func takeLock() -> Bool {
    defer { isLocked = true }
    return !isLocked
  }

  func dropLock() { isLocked = false }
}

private struct SimulatedVolume: Volume {
  let disk: SimulatedDisk

  func sync() throws(AofError) { try disk.syncAll() }
}
