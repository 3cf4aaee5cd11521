import AOFCore
import AOFSystem
import Foundation

@testable import class AOFSystem.File

/// The machine's disk, which fails when told to, and remembers what of its files would survive power loss.
///
/// Synced bytes survive, and names whose directory was synced. Nothing else needs to: for each change since, the bytes
/// that it replaced are kept, so that ``powerCut(of:to:keeping:)`` can make the store as a power cut leaves it.
/// A sync that fails loses what it was to write, and a later one does not bring it back, as on Linux.
final class FaultyDisk: Disk {
  enum Kind { case open, read, write, sync, allocate, makeDirectory, syncDirectory, rename, remove }

  struct Operation {
    let kind: Kind
    let path: String
  }

  typealias Hook = @Sendable (Operation) throws(AofError) -> Void

  /// A failure that is still to come.
  fileprivate struct Fault {
    let kind: Kind
    let part: String
    let errno: Int32
    var skipped: Int
    /// Bytes that the failing write still writes.
    let written: Int
  }

  struct State {
    fileprivate var faults: [Fault] = []
    var operations = 0
    /// Nothing works any more from this operation on.
    var powerEnds = Int.max
    var whenPowerEnds: (@Sendable (borrowing State) -> Void)?
    fileprivate var followUps: [(kind: Kind, part: String, body: @Sendable () -> Void)] = []
    var files: [String: TrackedFile] = [:]
    /// Changes of names that their directory's next sync makes durable, oldest first.
    var pendingNames: [String: [NameChange]] = [:]
  }

  enum NameChange {
    case added(String)
    /// The file is kept at the second path, for as long as it may come back.
    case removed(String, kept: String)
    case renamed(String, to: String)
  }

  let base = SystemDisk()
  /// Guards the bookkeeping, and makes operations one at a time.
  let state = Lock(State())
  private let hook = Lock<Hook?>(nil)

  var environment: Environment {
    Environment(disk: self, clock: SystemClock(), random: { UInt64.random(in: .min ... .max) })
  }

  // MARK: Telling it what to do

  /// Fails the operation of this kind on a path that contains `part` which comes after `skipping` others.
  /// A write writes its first `writing` bytes all the same.
  func fail(_ kind: Kind, _ part: String, errno: Int32, skipping: Int = 0, writing: Int = 0) {
    state.withLock {
      $0.faults.append(Fault(kind: kind, part: part, errno: errno, skipped: skipping, written: writing))
    }
  }

  /// Calls `hook` before each operation, outside of all locks; it may block, fail, or use the store.
  func before(_ hook: Hook?) { self.hook.withLock { $0 = hook } }

  /// After `count` more operations the disk answers nothing any more; `whenCut` runs at that moment, before any other
  /// operation is answered.
  func cutPower(after count: Int, whenCut: @escaping @Sendable (borrowing State) -> Void) {
    state.withLock {
      $0.powerEnds = $0.operations + count
      $0.whenPowerEnds = whenCut
    }
  }

  /// Takes ``cutPower(after:whenCut:)`` back, if the power is still there.
  func keepPower() {
    state.withLock {
      if $0.operations <= $0.powerEnds { $0.powerEnds = Int.max }
      $0.whenPowerEnds = nil
    }
  }

  /// Calls `body` once, after the next operation of this kind on a path that contains `part`.
  func after(_ kind: Kind, _ part: String, _ body: @escaping @Sendable () -> Void) {
    state.withLock { $0.followUps.append((kind, part, body)) }
  }

  var operations: Int { state.withLock { $0.operations } }

  // MARK: Running operations

  /// Runs `body`, alone, unless a fault comes first; `partially` gets the bytes that a failing write still writes.
  func run<Result>(
    _ kind: Kind, _ path: String, partially: (Int) throws(AofError) -> Void = { _ throws(AofError) in },
    _ body: (inout State) throws(AofError) -> Result
  ) throws(AofError) -> Result {
    if let hook = hook.withLock({ $0 }) { try hook(Operation(kind: kind, path: path)) }
    defer { followUp(kind, path)?() }
    return try state.withLock { state throws(AofError) in
      if kind != .read { state.operations += 1 }
      guard state.operations <= state.powerEnds else {
        if let cut = state.whenPowerEnds { cut(state) }
        state.whenPowerEnds = nil
        throw .systemCall("\(kind)", path, errno: EIO)
      }
      if let fault = state.takeFault(kind, path) {
        if fault.written > 0 { try partially(fault.written) }
        if kind == .sync { state.files[path]?.loseUnsynced() }
        throw .systemCall("\(kind)", path, errno: fault.errno)
      }
      return try body(&state)
    }
  }

  private func followUp(_ kind: Kind, _ path: String) -> (@Sendable () -> Void)? {
    state.withLock { state in
      guard let index = state.followUps.firstIndex(where: { $0.kind == kind && path.contains($0.part) }) else {
        return nil
      }
      return state.followUps.remove(at: index).body
    }
  }

  // MARK: Disk

  func open(_ path: String, _ mode: OpenMode) throws(AofError) -> File {
    try run(.open, path) { state throws(AofError) in
      let isNew = !base.exists(path)
      let file = try base.open(path, mode)
      if isNew {
        state.files[path] = TrackedFile()
        state.pendingNames[SystemDisk.parent(of: path), default: []].append(.added(path))
      }
      let tracked = state.files[path] ?? TrackedFile()
      state.files[path] = tracked
      return FaultyFile(file, tracked, disk: self)
    }
  }

  func makeDirectory(_ path: String) throws(AofError) {
    try run(.makeDirectory, path) { state throws(AofError) in
      try base.makeDirectory(path)
      state.pendingNames[SystemDisk.parent(of: path), default: []].append(.added(path))
    }
  }

  func rename(_ path: String, to newPath: String) throws(AofError) {
    try run(.rename, path) { state throws(AofError) in
      try base.rename(path, to: newPath)
      state.files[newPath] = state.files.removeValue(forKey: path)
      state.pendingNames[SystemDisk.parent(of: path), default: []].append(.renamed(path, to: newPath))
    }
  }

  func remove(_ path: String) throws(AofError) {
    try run(.remove, path) { state throws(AofError) in
      guard base.exists(path) else { throw .systemCall("unlink", path, errno: ENOENT) }
      let kept = SystemDisk.parent(of: path) + "/.removed-" + UUID().uuidString
      do { try FileManager.default.moveItem(atPath: path, toPath: kept) } catch {
        throw .systemCall("unlink", path, errno: EIO)
      }
      state.files[kept] = state.files.removeValue(forKey: path)
      state.pendingNames[SystemDisk.parent(of: path), default: []].append(.removed(path, kept: kept))
    }
  }

  func removeDirectory(_ path: String) throws(AofError) {
    try run(.remove, path) { state throws(AofError) in
      guard try base.list(path).isEmpty else { throw .systemCall("rmdir", path, errno: ENOTEMPTY) }
      let kept = SystemDisk.parent(of: path) + "/.removed-" + UUID().uuidString
      try base.rename(path, to: kept)
      state.pendingNames[SystemDisk.parent(of: path), default: []].append(.removed(path, kept: kept))
    }
  }

  func volume(of directory: String) throws(AofError) -> any Volume { FaultyVolume(disk: self, path: directory) }

  fileprivate func syncAll(_ path: String) throws(AofError) {
    try run(.sync, path) { state throws(AofError) in
      for file in state.files.values { file.sync() }
      for change in state.pendingNames.values.joined() {
        if case .removed(_, let kept) = change { try? FileManager.default.removeItem(atPath: kept) }
      }
      state.pendingNames = [:]
    }
  }

  func syncDirectory(_ path: String) throws(AofError) {
    try run(.syncDirectory, path) { state throws(AofError) in
      for change in state.pendingNames.removeValue(forKey: path) ?? [] {
        if case .removed(_, let kept) = change { try? FileManager.default.removeItem(atPath: kept) }
      }
    }
  }

  func list(_ path: String) throws(AofError) -> [String] { try base.list(path) }
  func exists(_ path: String) -> Bool { base.exists(path) }
  func checkDirectory(_ path: String) throws(AofError) { try base.checkDirectory(path) }

  deinit {
    for change in state.withLock({ Array($0.pendingNames.values.joined()) }) {
      if case .removed(_, let kept) = change { try? FileManager.default.removeItem(atPath: kept) }
    }
  }
}

extension FaultyDisk.State {
  fileprivate mutating func takeFault(_ kind: FaultyDisk.Kind, _ path: String) -> FaultyDisk.Fault? {
    for index in faults.indices where faults[index].kind == kind && path.contains(faults[index].part) {
      if faults[index].skipped == 0 { return faults.remove(at: index) }
      faults[index].skipped -= 1
    }
    return nil
  }
}

private struct FaultyVolume: Volume {
  let disk: FaultyDisk
  let path: String

  func sync() throws(AofError) { try disk.syncAll(path) }
}

/// A file of a ``FaultyDisk``.
final class FaultyFile: File, @unchecked Sendable {  // immutable; what it refers to has locks of its own
  private let tracked: TrackedFile
  private let disk: FaultyDisk

  init(_ file: File, _ tracked: TrackedFile, disk: FaultyDisk) {
    self.tracked = tracked
    self.disk = disk
    super.init(path: file.path, descriptor: fcntl(file.descriptor, F_DUPFD_CLOEXEC, 0))
  }

  override func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(AofError) -> Int {
    try disk.run(.read, path) { _ throws(AofError) in }
    return try super.read(into: buffer, at: offset)
  }

  override func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(AofError) {
    let partially = { (count: Int) throws(AofError) in
      self.tracked.willChange(offset, min(count, bytes.count), self.descriptor)
      try super.write(UnsafeRawBufferPointer(rebasing: bytes.prefix(count)), at: offset)
    }
    try disk.run(.write, path, partially: partially) { _ throws(AofError) in
      tracked.willChange(offset, bytes.count, descriptor)
      try super.write(bytes, at: offset)
    }
  }

  override func write(pieces: UnsafeMutableBufferPointer<iovec>, at offset: Int) throws(AofError) {
    var bytes: [UInt8] = []
    for piece in pieces { bytes += UnsafeRawBufferPointer(start: piece.iov_base, count: piece.iov_len) }
    try bytes.withTypedBytes { bytes throws(AofError) in try write(bytes, at: offset) }
  }

  override func syncData() throws(AofError) {
    try disk.run(.sync, path) { _ throws(AofError) in tracked.sync() }
  }

  override func allocate(_ count: Int) throws(AofError) {
    try disk.run(.allocate, path) { _ throws(AofError) in
      tracked.willChange(0, 0, descriptor)
      try super.allocate(count)
    }
  }

  /// One operation, which leaves the file sparse: what counts is that it reads as zeros.
  override func fillWithZeros(_ count: Int) throws(AofError) { try allocate(count) }

  override func punchHole(_ range: Range<Int>) throws(AofError) {
    try disk.run(.allocate, path) { _ throws(AofError) in
      tracked.willChange(range.lowerBound, range.count, descriptor)
      try super.punchHole(range)
    }
  }
}
