import AOFCore
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine
@testable import class AOFSystem.File

/// What the chunk files take is known, whatever the filesystem does to them.
@Suite struct CacheUsageTests {
  private static let chunk = 128 << 10
  private let store = TestStore(inMemory: true)
  private let log = LogID(rawValue: 7)

  // MARK: What the filesystem gives and takes

  private func chunks(_ disk: any Disk, openFileLimit: Int = 16) throws -> LocalChunkStore {
    try FileManager.default.createDirectory(at: store.directory, withIntermediateDirectories: true)
    let chunks = LocalChunkStore(disk, openFileLimit: openFileLimit)
    chunks.register(log, directory: store.directory.path)
    return chunks
  }

  private func write(_ byteCount: Int, to chunk: Int, at offset: Int = 0, _ chunks: LocalChunkStore, isCopy: Bool = false) throws {
    try [UInt8](repeating: 5, count: byteCount).withUnsafeBytes {
      try chunks.write(
        $0, of: log, at: LSN(rawValue: UInt64(chunk * Self.chunk + offset)), chunkSize: .minimum, isCopy: isCopy)
    }
  }

  /// What the files take, as somebody else sees it who looks at all of them.
  private func sum(_ disk: any Disk) throws -> Int { try chunks(disk).allocatedSize(of: log) }

  /// One that was just written would be synced for that, each by itself.
  @Test func whatWasUsedLongestAgoIsClosedFirst() throws {
    let disk = FaultyDisk()
    let chunks = try chunks(disk, openFileLimit: 64)
    for chunk in 0..<64 { try write(100, to: chunk, chunks) }
    try chunks.sync(log)
    let synced = Lock<[String]>([])
    disk.before { operation throws(AofError) in
      if operation.kind == .sync { synced.withLock { $0.append(operation.path) } }
    }
    for chunk in 64..<104 { try write(100, to: chunk, chunks) }
    disk.before(nil)
    #expect(synced.withLock { $0 }.isEmpty)
  }

  /// XFS gives files more than is written to them, and takes it back when they are closed.
  @Test(arguments: [false, true]) func whatAFilesystemTakesBackIsNotCounted(isCopy: Bool) throws {
    let disk = GenerousDisk()
    let chunks = try chunks(disk)
    for round in 0..<4 {
      for chunk in 0..<40 { try write(8192, to: chunk, at: round * 8192, chunks, isCopy: isCopy) }
      #expect(try chunks.usage.total == sum(disk))
    }
    #expect(chunks.allocatedSize(of: log) == chunks.usage.total)
    try chunks.removeChunks(of: log, below: ChunkID(rawValue: 30))
    #expect(try chunks.usage.total == sum(disk))
    let all = LSN.zero..<LSN(rawValue: UInt64(Self.chunk))
    for chunk in 30..<40 { try chunks.discard((all.lowerBound + chunk * Self.chunk)..<(all.upperBound + chunk * Self.chunk), of: log, chunkSize: .minimum) }
    #expect(chunks.usage.total == 0)
    try chunks.removeAll(of: log, in: store.directory.path)
    try write(8192, to: 50, chunks.registered(log, store.directory.path))
    #expect(try chunks.usage.total == sum(disk))
  }

  /// What a filesystem takes back later is noticed when the file is used again.
  @Test func whatWasTakenBackLaterIsNoticed() throws {
    let disk = GenerousDisk()
    let chunks = try chunks(disk)
    disk.keepsGifts.withLock { $0 = true }
    for chunk in 0..<40 { try write(8192, to: chunk, chunks) }
    disk.keepsGifts.withLock { $0 = false }
    for chunk in 0..<40 { try write(8192, to: chunk, at: 8192, chunks) }
    #expect(try chunks.usage.total == sum(disk))
  }

  // MARK: Looks that overlap

  @Test func aLookThatBeganEarlierTellsNoNews() {
    let usage = CacheUsage(limit: .mebibytes(1))
    let chunk = ChunkID(rawValue: 3)
    usage.add(log)
    usage.beginMeasuring(log)
    let (early, late, last) = (usage.beginLook(), usage.beginLook(), usage.beginLook())
    usage.note(8192, in: chunk, of: log, late)
    usage.note(4096, in: chunk, of: log, early)
    #expect(usage.total == 8192)
    usage.note(0, in: chunk, of: log, last)
    usage.note(8192, in: chunk, of: log, late)
    #expect(usage.total == 0)
    #expect(usage.bytes(of: log) == nil)
    usage.endMeasuring(log, isComplete: true)
    #expect(usage.bytes(of: log) == 0)
  }

  @Test func whatIsGoneDoesNotComeBack() {
    let usage = CacheUsage(limit: .mebibytes(1))
    let look = usage.beginLook()
    usage.note(4096, in: ChunkID(rawValue: 3), of: log, look)
    #expect(usage.total == 0, "the log is not here")
    usage.add(log)
    usage.note(4096, in: ChunkID(rawValue: 3), of: log, look)
    usage.forget(ChunkID(rawValue: 3), of: log)
    usage.note(4096, in: ChunkID(rawValue: 3), of: log, usage.beginLook())
    #expect(usage.total == 0)
    usage.note(4096, in: ChunkID(rawValue: 4), of: log, look)
    #expect(usage.total == 4096)
    usage.forget(log)
    usage.note(4096, in: ChunkID(rawValue: 4), of: log, usage.beginLook())
    #expect(usage.total == 0)
  }
}

extension LocalChunkStore {
  fileprivate func registered(_ log: LogID, _ directory: String) -> LocalChunkStore {
    register(log, directory: directory)
    return self
  }
}

/// The machine's disk, whose files have some blocks more as long as they are open for writing and were written.
private final class GenerousDisk: Disk {
  static let gift = 1 << 20

  let base = SystemDisk()
  /// Files that were written, and not closed since.
  let written = Lock<Set<String>>([])
  /// Whether files keep theirs when they are closed.
  let keepsGifts = Lock(false)

  func open(_ path: String, _ mode: OpenMode) throws(AofError) -> File { GenerousFile(try base.open(path, mode), self) }
  func makeDirectory(_ path: String) throws(AofError) { try base.makeDirectory(path) }
  func rename(_ path: String, to newPath: String) throws(AofError) { try base.rename(path, to: newPath) }
  func remove(_ path: String) throws(AofError) {
    try base.remove(path)
    written.withLock { _ = $0.remove(path) }
  }
  func removeDirectory(_ path: String) throws(AofError) { try base.removeDirectory(path) }
  func volume(of directory: String) throws(AofError) -> any Volume { try base.volume(of: directory) }
  func syncDirectory(_ path: String) throws(AofError) { try base.syncDirectory(path) }
  func list(_ path: String) throws(AofError) -> [String] { try base.list(path) }
  func exists(_ path: String) -> Bool { base.exists(path) }
  func checkDirectory(_ path: String) throws(AofError) { try base.checkDirectory(path) }
}

private final class GenerousFile: File, @unchecked Sendable {  // as `File`; the disk has locks of its own
  private let disk: GenerousDisk
  private let isWritten = Lock(false)

  init(_ file: File, _ disk: GenerousDisk) {
    self.disk = disk
    super.init(path: file.path, descriptor: fcntl(file.descriptor, F_DUPFD_CLOEXEC, 0))
  }

  deinit { if isWritten.withLock({ $0 }), !disk.keepsGifts.withLock({ $0 }) { disk.written.withLock { _ = $0.remove(path) } } }

  override func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(AofError) {
    try super.write(bytes, at: offset)
    isWritten.withLock { $0 = true }
    disk.written.withLock { _ = $0.insert(path) }
  }

  override func punchHole(_ range: Range<Int>) throws(AofError) {
    try super.punchHole(range)
    disk.written.withLock { _ = $0.remove(path) }
  }

  override func allocatedSize() throws(AofError) -> Int {
    try super.allocatedSize() + (disk.written.withLock { $0.contains(path) } ? GenerousDisk.gift : 0)
  }
}
