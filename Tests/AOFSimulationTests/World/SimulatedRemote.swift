import AOFCore
import AOFRemote
import AOFSystem
import Glibc

/// A remote in memory, which outlives the machine. When the script says so it fails, before or after it has done what was
/// asked, or answers with wrong bytes.
final class SimulatedRemote: RemoteStore, @unchecked Sendable {  // used by the one thread that runs the simulation
  /// The errno of a failure that is none: the bytes come, and one of them is wrong.
  static let wrongBytes = EILSEQ

  /// The machine of the present life.
  var machine: Machine
  private var objects: [RemoteKey: [UInt8]] = [:]

  /// Whether deleting does nothing.
  private let keepsEverything: Bool

  init(machine: Machine, flaw: Flaw?) {
    self.machine = machine
    keepsEverything = flaw == .leavesDroppedObjects
  }

  var description: String { "simulated remote" }

  /// A look from outside, which counts as no operation.
  func peek(_ key: String) -> [UInt8]? { (try? RemoteKey(key)).flatMap { objects[$0] } }

  var keys: [String] { objects.keys.map(\.text) }

  /// Runs an operation that changes something. Its answer may be lost after it.
  private func run<Result>(
    _ kind: Machine.Kind, _ key: RemoteKey, _ count: Int = 0, _ body: () throws(AofError) -> Result
  ) throws(AofError) -> Result {
    let isDoneAnyway = machine.chance.one(in: 2)
    do throws(AofError) {
      return try machine.run(
        kind, "remote/" + key.text, (count, 0), partly: { if isDoneAnyway { _ = try? body() } }, body)
    } catch {
      throw AofError(.remoteFailure, "\(key)", cause: error)
    }
  }

  func read(_ key: RemoteKey, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(AofError) {
    let bytes = try find(key)
    guard let start = Int(exactly: offset), start + buffer.count <= bytes.count else {
      throw AofError(.corrupt, "\(key) ends before \(offset) + \(buffer.count)")
    }
    buffer.copyBytes(from: bytes[start..<(start + buffer.count)])
    var isWrong = false
    do throws(AofError) {
      try machine.run(.get, "remote/" + key.text, (start, buffer.count)) {}
    } catch where error.errno == Self.wrongBytes {
      isWrong = true
    } catch {
      throw AofError(.remoteFailure, "\(key)", cause: error)
    }
    if isWrong { buffer[buffer.count / 2] ^= 1 }
  }

  private func find(_ key: RemoteKey) throws(AofError) -> [UInt8] {
    guard let bytes = objects[key] else { throw AofError(.notFound, "there is no object \(key)") }
    return bytes
  }

  func get(_ key: RemoteKey, limit: Int) throws(AofError) -> [UInt8]? {
    let bytes = objects[key]
    guard bytes?.count ?? 0 <= limit else { throw AofError(.tooLarge, "\(key)") }
    do throws(AofError) {
      try machine.run(.get, "remote/" + key.text) {}
    } catch {
      throw AofError(.remoteFailure, "\(key)", cause: error)
    }
    return bytes
  }

  func size(of key: RemoteKey) throws(AofError) -> UInt64? { objects[key].map { UInt64($0.count) } }

  func list(_ directory: RemoteKey?, after last: RemoteKey?, limit: Int) throws(AofError) -> [RemoteListing] {
    let prefix = directory.map { $0.text + "/" } ?? ""
    return objects.filter { key, _ in key.text.hasPrefix(prefix) && last.map { key > $0 } ?? true }
      .map { RemoteListing(key: $0.key, size: UInt64($0.value.count)) }.sorted { $0.key < $1.key }
      .prefix(limit).map { $0 }
  }

  func delete(_ key: RemoteKey) throws(AofError) {
    try run(.put, key) { if !keepsEverything { objects[key] = nil } }
  }

  func put(
    _ bytes: UnsafeRawBufferPointer, as key: RemoteKey, _ condition: RemoteCondition
  ) throws(AofError) -> RemoteOutcome {
    let copy = Array(bytes)
    return try run(.put, key, copy.count) { store(copy, as: key, condition) }
  }

  fileprivate func store(_ bytes: [UInt8], as key: RemoteKey, _ condition: RemoteCondition) -> RemoteOutcome {
    if condition == .ifAbsent, objects[key] != nil { return .alreadyExists }
    objects[key] = bytes
    return .created
  }

  func beginUpload(_ key: RemoteKey) throws(AofError) -> any RemoteUpload {
    try run(.upload, key) { Upload(key: key, remote: self) }
  }

  private final class Upload: RemoteUpload {
    private let key: RemoteKey
    private let remote: SimulatedRemote
    private var bytes: [UInt8] = []

    init(key: RemoteKey, remote: SimulatedRemote) {
      self.key = key
      self.remote = remote
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(AofError) { self.bytes += Array(bytes) }

    func commit(_ condition: RemoteCondition) throws(AofError) -> RemoteOutcome {
      try remote.run(.upload, key, bytes.count) { remote.store(bytes, as: key, condition) }
    }

    func abandon() { bytes = [] }
  }
}
