import AOFCore
import AOFSystem
import Foundation
import GRDB

/// What of one file is not on the disk yet.
final class TrackedFile: Sendable {
  struct Change {
    let offset: Int
    /// What was there before.
    let bytes: [UInt8]
    /// How long the file was before.
    let size: Int
  }

  private struct State {
    /// Changes since the last sync, oldest first.
    var unsynced: [Change] = []
    /// Changes that a failed sync lost for good, oldest first.
    var lost: [Change] = []
  }

  private let state = Lock(State())

  func willChange(_ offset: Int, _ count: Int, _ descriptor: Int32) {
    var status = stat()
    fstat(descriptor, &status)
    var old = [UInt8](repeating: 0, count: max(0, min(count, Int(status.st_size) - offset)))
    old.withUnsafeMutableBytes { _ = pread(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
    let change = Change(
      offset: offset, bytes: old + [UInt8](repeating: 0, count: count - old.count), size: Int(status.st_size))
    state.withLock { $0.unsynced.append(change) }
  }

  func sync() {
    state.withLock { state in
      // What is written and synced anew is no longer lost.
      state.lost.removeAll { lost in
        state.unsynced.contains {
          $0.offset <= lost.offset && lost.offset + lost.bytes.count <= $0.offset + $0.bytes.count
        }
      }
      state.unsynced.removeAll()
    }
  }

  func loseUnsynced() {
    state.withLock { state in
      state.lost += state.unsynced
      state.unsynced.removeAll()
    }
  }

  /// Newest first.
  fileprivate var changes: [Change] { state.withLock { ($0.lost + $0.unsynced).reversed() } }
}

extension FaultyDisk {
  /// What of the changes that were not synced a power cut leaves.
  enum Survivors {
    case none
    /// Each page, and of each directory's changes of names the first few, as the seed decides.
    case some(seed: UInt64)
  }

  /// Copies the store as a power cut leaves it. The manifest and the remote are taken as they are: each commit of the
  /// one is synced when it returns, and the other brings its own syncs, so nothing of them that counts is unsynced.
  static func powerCut(
    _ state: borrowing State, of store: String, to copy: String, keeping survivors: Survivors
  ) throws {
    try copyStore(store, to: copy)
    var noise = if case .some(let seed) = survivors { Noise(seed: seed) as Noise? } else { nil as Noise? }
    let place = { (path: String) in copy + path.dropFirst(store.count) }
    for (path, file) in state.files.sorted(by: { $0.key < $1.key }) where path.hasPrefix(store + "/") {
      try forget(file.changes, at: place(path), &noise)
    }
    for (directory, changes) in state.pendingNames.sorted(by: { $0.key < $1.key })
    where directory == store || directory.hasPrefix(store + "/") {
      let kept = noise?.below(changes.count + 1) ?? 0
      for change in changes.dropFirst(kept).reversed() {
        switch change {
        case .added(let path): try? FileManager.default.removeItem(atPath: place(path))
        case .renamed(let path, let newPath):
          try FileManager.default.moveItem(atPath: place(newPath), toPath: place(path))
        case .removed(let path, let keptPath):
          try FileManager.default.copyItem(atPath: keptPath, toPath: place(path))
          try forget(state.files[keptPath]?.changes ?? [], at: place(path), &noise)
        }
      }
    }
  }

  /// Neither the manifest nor the remote stands still while this disk does: another thread may be in the middle of a
  /// transaction or an upload. So the one is copied by SQLite, and of the other what comes and goes meanwhile is left
  /// out. Files first, then the manifest, then the remote, as they depend on each other.
  private static func copyStore(_ store: String, to copy: String) throws {
    let files = FileManager.default
    try files.createDirectory(atPath: copy, withIntermediateDirectories: false)
    for name in try files.contentsOfDirectory(atPath: store)
    where name != "remote" && !(name.hasPrefix("manifest.sqlite") && !name.hasPrefix("manifest.sqlite.new")) {
      try files.copyItem(atPath: store + "/" + name, toPath: copy + "/" + name)
    }
    if files.fileExists(atPath: store + "/manifest.sqlite") {
      let copied = try DatabaseQueue(path: copy + "/manifest.sqlite")
      try DatabaseQueue(path: store + "/manifest.sqlite").backup(to: copied)
      try copied.close()
    }
    copyWhatStays(store + "/remote", to: copy + "/remote")
  }

  private static func copyWhatStays(_ path: String, to copy: String) {
    let files = FileManager.default
    guard let names = try? files.contentsOfDirectory(atPath: path) else {
      _ = try? files.copyItem(atPath: path, toPath: copy)
      return
    }
    _ = try? files.createDirectory(atPath: copy, withIntermediateDirectories: false)
    for name in names { copyWhatStays(path + "/" + name, to: copy + "/" + name) }
  }

  /// As ``powerCut(_:of:to:keeping:)``, now.
  func powerCut(of store: String, to copy: String, keeping survivors: Survivors) throws {
    try state.withLock { state in try Self.powerCut(state, of: store, to: copy, keeping: survivors) }
  }

  private static let pageSize = 4096

  /// Undoes changes, newest first, but for the pages that survive by chance.
  private static func forget(_ changes: [TrackedFile.Change], at path: String, _ noise: inout Noise?) throws {
    guard !changes.isEmpty, let file = FileHandle(forUpdatingAtPath: path) else { return }
    defer { try? file.close() }
    var survivors: [UInt64: Data] = [:]
    for change in changes where noise != nil && !change.bytes.isEmpty {
      for page in (change.offset / pageSize)...((change.offset + change.bytes.count - 1) / pageSize)
      where noise?.below(2) == 0 {
        try file.seek(toOffset: UInt64(page * pageSize))
        survivors[UInt64(page * pageSize)] = try file.read(upToCount: pageSize)
      }
    }
    for change in changes {
      try file.seek(toOffset: UInt64(change.offset))
      try file.write(contentsOf: change.bytes)
      try file.truncate(atOffset: UInt64(change.size))
    }
    for (offset, page) in survivors {
      try file.seek(toOffset: offset)
      try file.write(contentsOf: page)
    }
  }
}
