import AOFCore
import AOFFormat
import AOFManifest
import Foundation

/// The error that `body` throws; nil if it throws none.
func failure(_ body: () throws(AofError) -> Void) -> AofError? {
  do throws(AofError) {
    try body()
    return nil
  } catch {
    return error
  }
}

func code(_ body: () throws(AofError) -> Void) -> AofError.Code? { failure(body)?.code }

/// A directory for one manifest, which goes with the value.
final class TestStore: Sendable {
  let directory: String
  var path: String { directory + "/manifest.sqlite" }

  init() throws {
    directory = NSTemporaryDirectory() + "aofs-manifest-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  static let settings = StoreSettings(
    storeID: String(repeating: "a", count: 32), chunkSize: .minimum, cacheSize: .gibibytes(10), trashAge: .standard, remote: "dir:remote",
    walDirectory: "wal")

  static let attributes = NodeAttributes(
    mode: 0o1755, userID: .max, groupID: 7, accessTime: UnixTime(rawValue: -1), modificationTime: UnixTime(rawValue: 5),
    changeTime: UnixTime(rawValue: 6))

  static let root = NodeRecord(id: .root, kind: .directory, parent: .root, name: nil, attributes: attributes)

  func create() throws(AofError) -> Manifest {
    try Manifest.create(path, settings: Self.settings, root: Self.root)
  }

  func open() throws(AofError) -> Manifest { try Manifest.open(path) }

  var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: directory).sorted()) ?? [] }

  var bytes: [UInt8] {
    get { FileManager.default.contents(atPath: path).map { Array($0) } ?? [] }
    set { _ = FileManager.default.createFile(atPath: path, contents: Data(newValue)) }
  }
}

extension Manifest {
  /// The id for a new node.
  func freeID() throws(AofError) -> NodeID { NodeID(rawValue: try nextNodeID()) }

  /// Adds a log below the root, with a WAL directory of its own.
  func addTestLog(_ name: String, chunkSize: ChunkSize = .minimum) throws(AofError) -> AofDescriptorRecord {
    let id = try freeID()
    let wal = try addWalDirectory("wal-\(id)")
    let log = AofDescriptorRecord(id: id, chunkSize: chunkSize, dataDirectory: "chunks", walDirectory: wal.id)
    try addLog(
      NodeRecord(id: id, kind: .log, parent: .root, name: try EntryName(name), attributes: TestStore.attributes), log)
    return log
  }

  /// A seal of everything that is applied.
  func seal(_ extents: [AofChunkRecord], of log: LogID, time: Int64 = 1) throws(AofError) {
    try recordSeal(
      extents, of: log, applied: extents.last?.range.upperBound ?? .zero, appliedFrames: [],
      modificationTime: UnixTime(rawValue: time))
  }

  func log(_ id: LogID) throws(AofError) -> AofDescriptorRecord? { try logs().first { $0.id == id } }
}

/// Frames of `range` as the grid cuts them.
func frames(_ range: Range<LSN>, seed: UInt32 = 1) -> [FrameRecord] {
  var frames: [FrameRecord] = []
  var position = range.lowerBound
  while position < range.upperBound {
    let cell = Limits.frameSize - Int(position.rawValue % UInt64(Limits.frameSize))
    let length = min(cell, range.upperBound - position)
    frames.append(
      FrameRecord(
        length: UInt32(length), checksum: seed &+ UInt32(truncatingIfNeeded: position.rawValue),
        time: UnixTime(rawValue: Int64(seed))))
    position = position + length
  }
  return frames
}

func extent(_ log: LogID, _ range: Range<LSN>) -> AofChunkRecord {
  AofChunkRecord(
    log: log, chunk: ChunkSize.minimum.chunkID(for: range.lowerBound), range: range, generation: .first,
    frames: frames(range), sealedAt: UnixTime(rawValue: 3))
}

func progress(
  _ log: AofDescriptorRecord, sealed: LSN? = nil, applied: LSN, failure: String? = nil, time: Int64 = 9
) -> AppliedProgress {
  let sealed = sealed ?? log.sealed
  return AppliedProgress(
    id: log.id, sealed: sealed, applied: applied, frames: frames(sealed..<applied), generation: log.generation,
    generationStart: log.generationStart, failure: failure, modificationTime: UnixTime(rawValue: time))
}

extension Publication {
  /// Objects that hold one extent each.
  init(log: LogID, state: UnpublishedState, objects: [(AofChunkRecord, StoredObject)]) {
    self.init(
      log: log, state: state, remote: state.sealed,
      objects: objects.map { NewObject(extent: $0.0, parts: [$0.0], object: $0.1) })
  }
}

extension Manifest {
  /// When objects were last said to be named no more.
  static let testTime = UnixTime(rawValue: 1)

  func recordPublished(
    _ publications: [Publication], removed: [LogID] = [], directories: [ChangedDirectory] = [], sequence: UInt64
  ) throws(AofError) {
    try recordPublished(publications, removed: removed, directories: directories, sequence: sequence, at: Self.testTime)
  }

  func deletableObjects() throws(AofError) -> [String] { try deletableObjects(unnamedSince: Self.testTime, limit: 100) }
}
