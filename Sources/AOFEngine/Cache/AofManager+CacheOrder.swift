import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

/// What is known of the cache's use outlives the process: docs/format/cache-order.md.
extension AofManager {
  /// Goes on with the order of the opening before, as far as there is one. Before anybody reads.
  func recallCacheOrder() {
    do throws(AofError) {
      guard let file = try readCacheOrder() else { return }
      let known = state.withLock { state in
        file.entries.filter { entry in
          guard let chunkSize = state.descriptors[entry.log]?.chunkSize else { return false }
          return CacheGroup(log: entry.log, number: entry.group).isPossible(chunkSize)
        }
      }
      services.cacheOrder.withLock { $0.recall(known) }
    } catch {
      services.observation.report(error, "what was read most is not known, and the cache begins anew")
    }
  }

  /// Nil if there is none.
  private func readCacheOrder() throws(AofError) -> CacheOrderFile? {
    let file: File
    do throws(AofError) {
      file = try services.environment.disk.open(layout.cacheOrder, .read)
    } catch where error.code == .notFound {
      return nil
    }
    guard let size = try file.regularSize(), size <= CacheOrderFile.largest else {
      throw AofError(.corrupt, "\(layout.cacheOrder) is no file, or larger than any order of eviction")
    }
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
    defer { bytes.deallocate() }
    let count = try file.read(into: bytes, at: 0)
    return try CacheOrderFile(
      decoding: UnsafeRawBufferPointer(rebasing: bytes[..<count]), path: layout.cacheOrder) { CRC32C.checksum($0) }
  }

  /// Writes the order down for the next opening. What is wrong with that is told, and no more: it is a hint.
  func saveCacheOrder() {
    let entries = services.cacheOrder.withLock(\.entries)
    let disk = services.environment.disk
    guard !entries.isEmpty || disk.exists(layout.cacheOrder) else { return }
    do throws(AofError) {
      let bytes = CacheOrderFile(entries).encoded { CRC32C.checksum($0) }
      let file = try disk.open(layout.newCacheOrder, .readWriteCreate)
      try file.truncate(0)
      try bytes.withTypedBytes { bytes throws(AofError) in try file.write(bytes, at: 0) }
      try file.syncData()
      try disk.rename(layout.newCacheOrder, to: layout.cacheOrder)
      try disk.syncDirectory(layout.root)
    } catch {
      services.observation.report(error, "what was read most could not be written down")
    }
  }
}
