import AOFCore
import AOFFormat
import AOFSystem

/// The files that a WAL's next segments are made of.
///
/// A file is written with zeros once, and then recycled: overwriting it changes no metadata of the filesystem, so a
/// sync of the WAL needs no commit of the filesystem's own journal. The name of a spare file ends in `.spare`; what it
/// holds means nothing.
final class SegmentPool: Sendable {
  /// Files that are kept for later; more are removed.
  static let capacity = 2

  private struct State {
    var spares: [String] = []
    /// Whether a file is being written with zeros.
    var isFilling = false
  }

  private let directory: String
  private let environment: Environment
  private let state = Lock(State())

  private static let suffix = ".spare"

  /// Takes over the spare files that an earlier opening left.
  init(directory: String, environment: Environment) throws(AofError) {
    self.directory = directory
    self.environment = environment
    for name in try environment.disk.list(directory) where name.hasSuffix(Self.suffix) {
      try keepOrRemove(directory + "/" + name)
    }
  }

  /// A segment that ``activate(_:)`` can make part of the WAL. Before that it changes nothing, whatever becomes of it.
  func prepare(_ header: WALSegmentHeader, start: (log: LogID, lsn: LSN)? = nil) throws(AofError) -> WalSegment {
    let spare = if let known = try takeSpare() { known } else { try makeSpare() }
    return WalSegment(
      path: directory + "/" + WalSegment.fileName(header.sequence), sparePath: spare,
      file: try environment.disk.open(spare, .readWrite), header: header, start: start)
  }

  /// Makes a segment part of the WAL: its header and its name are on stable storage, and from here on the segment
  /// before it ends where this one begins. After an error nobody knows whether it does; see ``deactivate(_:)``.
  /// - Returns: the segment under its new name.
  func activate(_ segment: WalSegment) throws(AofError) -> WalSegment {
    try segment.writeHeader()
    try environment.disk.rename(segment.sparePath, to: segment.path)
    try environment.disk.syncDirectory(directory)
    return WalSegment(
      path: segment.path, sparePath: segment.sparePath,
      file: try environment.disk.open(segment.path, .readWrite), header: segment.header, start: segment.start)
  }

  /// Takes a segment out of the WAL again whose activation failed. After an error it may still be part of it.
  func deactivate(_ segment: WalSegment) throws(AofError) {
    let disk = environment.disk
    try disk.remove(disk.exists(segment.path) ? segment.path : segment.sparePath)
    try disk.syncDirectory(directory)
  }

  /// Takes a segment back that nothing needs any more. The manifest calls it void already.
  func recycle(_ segment: WalSegment) throws(AofError) { try recycle(segment.path) }

  /// As ``recycle(_:)-(WalSegment)``, for a segment of an earlier opening.
  func recycle(_ path: String) throws(AofError) {
    let spare = path + Self.suffix
    try environment.disk.rename(path, to: spare)
    try keepOrRemove(spare)
  }

  /// Makes sure that the next ``prepare(_:start:)`` finds a file. Blocks while it is written with zeros.
  func refill() throws(AofError) {
    let isNeeded = state.withLock { state in
      guard state.spares.isEmpty, !state.isFilling else { return false }
      state.isFilling = true
      return true
    }
    guard isNeeded else { return }
    defer { state.withLock { $0.isFilling = false } }
    let spare = try makeSpare()
    state.withLock { $0.spares.append(spare) }
  }

  /// A spare of the right size; others are of another version's making.
  private func takeSpare() throws(AofError) -> String? {
    while let spare = state.withLock({ $0.spares.popLast() }) {
      if try environment.disk.open(spare, .read).size() == environment.walSegmentSize { return spare }
      try environment.disk.remove(spare)
    }
    return nil
  }

  private func keepOrRemove(_ spare: String) throws(AofError) {
    let isKept = state.withLock { state in
      guard state.spares.count < Self.capacity else { return false }
      state.spares.append(spare)
      return true
    }
    if !isKept { try environment.disk.remove(spare) }
  }

  private func makeSpare() throws(AofError) -> String {
    let path = directory + "/" + FixedWidthNumber.hex(environment.random()) + Self.suffix
    let file = try environment.disk.open(path, .createNew)
    do throws(AofError) {
      try file.allocate(environment.walSegmentSize)
      try file.fillWithZeros(environment.walSegmentSize)
      try file.syncData()
    } catch {
      try? environment.disk.remove(path)
      throw error
    }
    return path
  }
}
