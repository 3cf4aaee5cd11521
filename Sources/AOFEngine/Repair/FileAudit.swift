import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

/// Looks for files of a store that nothing names. They are no damage; those that hold nothing may go.
struct FileAudit {
  let layout: StoreLayout
  let disk: any Disk

  private(set) var notes: [String] = []
  private(set) var remedies: [Remedy] = []

  private static let suffix = ".chunk"

  init(layout: StoreLayout, disk: any Disk) {
    self.layout = layout
    self.disk = disk
  }

  /// The chunk files of one log; `tail`: how far the WAL brings it.
  mutating func check(
    _ log: AofDescriptorRecord, extents: (inout [String]) -> [AofChunkRecord], tail: LSN
  ) throws(AofError) {
    let directory = layout.resolve(log.dataDirectory) + "/" + FixedWidthNumber.hex(log.id.rawValue)
    let names = try list(directory)
    guard !names.isEmpty else { return }
    var ignored: [String] = []
    var known = Set(extents(&ignored).map(\.chunk))
    if log.sealed < tail {
      let last = log.chunkSize.chunkID(for: LSN(rawValue: tail.rawValue - 1)).rawValue
      for id in log.chunkSize.chunkID(for: log.sealed).rawValue...last { known.insert(ChunkID(rawValue: id)) }
    }
    for name in names {
      if let chunk = Self.chunk(ofFileName: name), known.contains(chunk) { continue }
      try noteUnnamed(directory + "/" + name, what: "a file that no part of log \(log.id) is in")
    }
  }

  /// Directories of logs that the manifest does not know. Those of purged logs go when the store is opened.
  mutating func checkDirectories(of logs: [AofDescriptorRecord], purged: [PurgedLog]) throws(AofError) {
    let known = Set((logs.map(\.id) + purged.map(\.log)).map { FixedWidthNumber.hex($0.rawValue) })
    for directory in Set(logs.map(\.dataDirectory)).union([StoreLayout.defaultChunks]).sorted() {
      let parent = layout.resolve(directory)
      for name in try list(parent) where !known.contains(name) {
        // Where several stores keep chunks in one place, another's are not ours to judge.
        guard directory == StoreLayout.defaultChunks else { continue }
        let files = (try? list(parent + "/" + name)) ?? []
        for file in files {
          try noteUnnamed(parent + "/" + name + "/" + file, what: "a file of a log that the manifest does not know")
        }
      }
    }
  }

  /// What creations and recoveries that were cut short left, and spare segments that no WAL would use.
  mutating func checkRoot(wals: [String]) throws(AofError) {
    for name in try list(layout.root) where StoreLayout.isUnfinished(name) {
      let path = layout.root + "/" + name
      notes.append("\(path): what an opening or a recovery left that was cut short")
      remedies.append(.remove(path, what: "what was cut short"))
    }
    for wal in wals {
      for name in try list(wal) where name.hasSuffix(".spare") {
        let path = wal + "/" + name
        guard try disk.open(path, .read).size() != Limits.walSegmentSize else { continue }
        notes.append("\(path): a spare segment of another size, which nothing uses")
        remedies.append(.remove(path, what: "a spare segment of another size"))
      }
    }
  }

  private mutating func noteUnnamed(_ path: String, what: String) throws(AofError) {
    let isEmpty: Bool
    do throws(AofError) {
      let file = try disk.open(path, .read)
      isEmpty = try file.regularSize() == nil ? false : file.allocatedSize() == 0
    } catch {
      notes.append("\(path): \(what) (\(error.message))")
      return
    }
    notes.append("\(path): \(what)" + (isEmpty ? ", and without bytes" : ""))
    if isEmpty { remedies.append(.remove(path, what: "a file without bytes that nothing names")) }
  }

  static func chunk(ofFileName name: String) -> ChunkID? {
    guard name.hasSuffix(suffix), let id = UInt64(name.dropLast(suffix.count), radix: 16),
      FixedWidthNumber.hex(id) + suffix == name, id != ChunkID.tail.rawValue
    else { return nil }
    return ChunkID(rawValue: id)
  }

  private func list(_ directory: String) throws(AofError) -> [String] {
    do throws(AofError) { return try disk.list(directory) } catch where error.code == .notFound { return [] }
  }
}
