import AOFCore
import AOFEngine
import AOFManifest
import AOFRemote
import AOFSystem
import Foundation

/// A store in a directory of its own, which goes with it.
final class TestStore {
  let directory: URL
  var options = StoreOptions()
  var remote: (any RemoteStore)?
  var environment = Environment.system
  /// Whether what an opening does in the background is over before the store is used, so that tests of crashes repeat.
  var waitsAfterOpening = true
  private var opened: AofManager?

  /// `inMemory`: where syncing and copying cost nothing, if the run names such a place, for tests that make hundreds of
  /// stores.
  init(chunkSize: ChunkSize = .minimum, inMemory: Bool = false) {
    let memory = inMemory ? ProcessInfo.processInfo.environment["AOFS_TEST_MEMORY"] : nil
    let parent = memory.map { URL(fileURLWithPath: $0) } ?? FileManager.default.temporaryDirectory
    directory = parent.appendingPathComponent("aof-test-\(UUID().uuidString)")
    options.chunkSize = chunkSize
    options.reserve = 0
  }

  deinit {
    try? opened?.close()
    try? FileManager.default.removeItem(at: directory)
  }

  var path: String { directory.appendingPathComponent("store").path }

  /// The store, opened on first use.
  func manager() throws -> AofManager {
    if let opened { return opened }
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let manager = try AofManager.open(path, options: options, environment: environment, remote: remote)
    opened = manager
    if waitsAfterOpening { manager.waitForMaintenance() }
    return manager
  }

  func log(_ name: String = "log") throws -> Aof {
    let manager = try manager()
    if manager.resolve(try LogPath(name)) != nil { return try manager.openLog(name) }
    return try manager.createLog(AofConfig(name: name))
  }

  /// Closes the store; the next use opens it again.
  func close() throws {
    defer { opened = nil }
    try opened?.close()
  }

  /// Readers are answered before what was downloaded for them, or ahead of them, is on the disk.
  func waitForDownloads() { opened?.waitForDownloads() }

  func waitForMaintenance() { opened?.waitForMaintenance() }

  /// Leaves the store as a killed daemon does: nothing is closed, nothing is written any more.
  func abandon() {
    opened?.waitForMaintenance()
    opened = nil
    // A process that another test just starts has all descriptors for a moment, and with them the store's lock.
    for held in [path + "/lock", path] { _ = try? LockWait.untilFree(held, atMost: 60_000) }
  }

  /// The store as a killed daemon would leave it now: a copy of its files, opened for itself.
  func crashed() throws -> TestStore {
    // A copy is not made in one moment, so nothing may change meanwhile.
    opened?.waitForMaintenance()
    let copy = TestStore()
    copy.options = options
    try FileManager.default.createDirectory(at: copy.directory, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: path, toPath: copy.path)
    return copy
  }

  func file(_ name: String) -> URL { URL(fileURLWithPath: path).appendingPathComponent(name) }

  /// Loses the manifest of a store that is not open.
  func removeManifest() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: path) where name.hasPrefix("manifest.sqlite") {
      try FileManager.default.removeItem(at: file(name))
    }
  }

  /// The WAL's segment files, oldest first.
  func segments() throws -> [URL] {
    try FileManager.default.contentsOfDirectory(atPath: path + "/wal").filter { $0.hasSuffix(".wal") }.sorted()
      .map { file("wal/" + $0) }
  }
}

extension URL {
  /// Changes bytes of the file in place.
  func overwrite(at offset: Int, with bytes: [UInt8]) throws {
    let handle = try FileHandle(forWritingTo: self)
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: bytes)
    try handle.close()
  }
}

/// Bytes that depend on nothing but the seed, and do not repeat.
struct Noise {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 32) } }
}

extension Aof {
  /// Everything from `lsn` to the tail, through a cursor.
  func contents(from lsn: LSN = .zero, bufferSize: Int = 100_003) throws -> [UInt8] {
    var cursor = try openCursor(at: lsn)
    var buffer = [UInt8](repeating: 0, count: bufferSize)
    var bytes: [UInt8] = []
    while true {
      let count = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) }
      if count == 0 { return bytes }
      bytes += buffer[..<count]
    }
  }

  func bytes(at lsn: LSN, count: Int) throws -> [UInt8] {
    var cursor = try openCursor(at: lsn)
    var buffer = [UInt8](repeating: 0, count: count)
    let read = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) }
    return Array(buffer[..<read])
  }
}

/// A remote that counts what is asked of it, and fails or lies when told to.
final class FaultyRemote: RemoteStore {
  struct Requests: Equatable {
    var gets = 0
    var lists = 0
    var uploads = 0
    var puts = 0
    var deletes = 0
  }

  struct State {
    var requests = Requests()
    var reads = 0
    var commits = 0
    /// What the next reads answer instead, first to last.
    var readFaults: [Fault] = []
    var putFault: AofError?
    /// Keys that begin so are the only ones that it is for; nil for all.
    var putFaultPrefixes: [String]?
    var undeletable: Set<String> = []
    /// Objects that were refused for it.
    var refused: [String] = []
    /// How long each read takes at least, in microseconds.
    var readTime: UInt32 = 0
    /// Reads wait as long as this is set.
    var isHanging = false
  }

  enum Fault { case fail(AofError), flipBit }

  let base: any RemoteStore
  let state = Lock(State())

  init(_ base: any RemoteStore) { self.base = base }

  var description: String { "faulty \(base)" }

  func read(_ key: RemoteKey, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(AofError) {
    let fault = state.withLock { state -> Fault? in
      state.reads += 1
      state.requests.gets += 1
      return state.readFaults.isEmpty ? nil : state.readFaults.removeFirst()
    }
    while state.withLock({ $0.isHanging }) { usleep(1000) }
    let time = state.withLock { $0.readTime }
    if time > 0 { usleep(time) }
    if case .fail(let error) = fault { throw error }
    try base.read(key, at: offset, into: buffer)
    if case .flipBit = fault { buffer[buffer.count / 2] ^= 1 }
  }

  func get(_ key: RemoteKey, limit: Int) throws(AofError) -> [UInt8]? {
    state.withLock { $0.requests.gets += 1 }
    return try base.get(key, limit: limit)
  }
  func size(of key: RemoteKey) throws(AofError) -> UInt64? { try base.size(of: key) }
  func list(_ directory: RemoteKey?, after last: RemoteKey?, limit: Int) throws(AofError) -> [RemoteListing] {
    state.withLock { $0.requests.lists += 1 }
    return try base.list(directory, after: last, limit: limit)
  }
  func delete(_ key: RemoteKey) throws(AofError) {
    let isLocked = state.withLock { state in
      state.requests.deletes += 1
      return state.undeletable.contains(key.text)
    }
    if isLocked { throw AofError(.remoteFailure, "locked") }
    try base.delete(key)
  }

  func put(
    _ bytes: UnsafeRawBufferPointer, as key: RemoteKey, _ condition: RemoteCondition
  ) throws(AofError) -> RemoteOutcome {
    try checkPut(key)
    state.withLock { $0.requests.puts += 1 }
    return try base.put(bytes, as: key, condition)
  }

  private func checkPut(_ key: RemoteKey) throws(AofError) {
    let fault = state.withLock { state -> AofError? in
      guard let fault = state.putFault, state.putFaultPrefixes?.contains(where: key.text.hasPrefix) ?? true else { return nil }
      state.refused.append(key.text)
      return fault
    }
    if let fault { throw fault }
  }

  func beginUpload(_ key: RemoteKey) throws(AofError) -> any RemoteUpload {
    try checkPut(key)
    state.withLock { state in
      state.commits += 1
      state.requests.uploads += 1
    }
    return try base.beginUpload(key)
  }
}
