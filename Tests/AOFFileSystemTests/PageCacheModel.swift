import AOFCore
import AOFEngine
import AOFSystem
import Foundation
import Glibc
import Testing

@testable import AOFFileSystem

/// The kernel's page cache of one log in writeback mode: what programs wrote, and which pages are dirty. It sends pages when
/// the test likes, and those that it is told to drop.
final class PageCacheModel: KernelCache {
  static let pageSize = 4096
  /// As the kernel cuts requests.
  static let longestRun = Limits.maximumRequest / pageSize

  private struct State {
    var content: [UInt8] = []
    var dirty: Set<Int> = []
    var dropped: [Range<UInt64>] = []
    var invalidations = 0
    /// The errors of WRITEs that were answered.
    var errors: [Int32] = []
    var unanswered = 0
    var target: (files: FileSystem, handle: HandleID)?
  }

  private let state = Lock(State())

  var content: [UInt8] { state.withLock { $0.content } }
  var dirty: [Int] { state.withLock { $0.dirty.sorted() } }
  var dropped: [Range<UInt64>] { state.withLock { $0.dropped } }
  /// How often all pages were to be dropped.
  var invalidations: Int { state.withLock { $0.invalidations } }
  var unanswered: Int { state.withLock { $0.unanswered } }

  /// What fsync(2) reports before it reaches the file system.
  func takeErrors() -> [Int32] {
    state.withLock { state in
      defer { state.errors = [] }
      return state.errors
    }
  }

  func attach(_ files: FileSystem, _ handle: HandleID, size: Int) {
    state.withLock { state in
      state.target = (files, handle)
      if size < state.content.count { state.content.removeLast(state.content.count - size) }
      state.dirty = []
    }
  }

  func detach() { state.withLock { $0.target = nil } }

  /// A write(2) at `offset`, by default an append.
  func write(_ bytes: [UInt8], at offset: Int? = nil) {
    guard !bytes.isEmpty else { return }
    state.withLock { state in
      let start = offset ?? state.content.count
      let end = start + bytes.count
      if end > state.content.count { state.content += [UInt8](repeating: 0, count: end - state.content.count) }
      state.content.replaceSubrange(start..<end, with: bytes)
      state.dirty.formUnion(start / Self.pageSize...(end - 1) / Self.pageSize)
    }
  }

  /// One WRITE of the pages from `first` on that are dirty, at most `limit`.
  func send(from first: Int, limit: Int = longestRun) {
    let (target, start, bytes): ((files: FileSystem, handle: HandleID)?, Int, [UInt8]) = state.withLock { state in
      var end = first
      while end < first + limit, state.dirty.remove(end) != nil { end += 1 }
      let range = first * Self.pageSize..<max(first * Self.pageSize, min(end * Self.pageSize, state.content.count))
      if !range.isEmpty { state.unanswered += 1 }
      return (state.target, range.lowerBound, Array(state.content[range]))
    }
    guard let target, !bytes.isEmpty else { return }
    do throws(AofError) {
      let answer = try bytes.withTypedBytes { bytes throws(AofError) in
        try target.files.write(target.handle, at: UInt64(start), bytes, flags: OpenFlags(rawValue: 0), fromPageCache: true)
      }
      answer.start { [self] result in
        if case .failure(let error) = result { answered(error) } else { answered(nil) }
      }
    } catch {
      answered(error)
    }
  }

  private func answered(_ error: AofError?) {
    state.withLock { state in
      state.unanswered -= 1
      if let error { state.errors.append(error.errno) }
    }
  }

  /// All that is dirty, in the order of `random`.
  func sendAll(_ random: inout SplitMix) {
    while let page = dirty.randomElement(&random) { send(from: page, limit: 1 + Int(random.next() % 5)) }
  }

  func tell(_ node: NodeID, _ notices: [TailNotice], whenDone: @escaping @Sendable () -> Void) {
    for case .drop(let range) in notices {
      state.withLock { $0.dropped.append(range) }
      for page in Int(range.lowerBound) / Self.pageSize...Int(range.upperBound - 1) / Self.pageSize { send(from: page, limit: 1) }
    }
    notices.callClosures()
    whenDone()
  }

  func invalidateAll(_ node: NodeID, whenDone: @escaping @Sendable () -> Void) {
    state.withLock { $0.invalidations += 1 }
    whenDone()
  }
}

extension [Int] {
  func randomElement(_ random: inout SplitMix) -> Int? {
    isEmpty ? nil : self[Int(random.next() % UInt64(count))]
  }
}

/// A log of a real store under a page cache that is not real.
final class WritebackFixture {
  static let flags = OpenFlags(rawValue: O_WRONLY | O_APPEND)
  private let directory = FileManager.default.temporaryDirectory.appendingPathComponent("aofs-\(UUID().uuidString)")
  let manager: AofManager
  let cache = PageCacheModel()
  let files: FileSystem
  let log: Aof
  private(set) var handle: HandleID

  init(pageSize: Int) throws {
    var options = StoreOptions()
    options.chunkSize = .minimum
    manager = try AofManager.open(directory.path, options: options)
    var setup = FileSystemOptions()
    setup.kernelCache = cache
    setup.gathersWrites = true
    setup.pageSize = pageSize
    files = try FileSystem(manager: manager, control: ControlExecutor(manager: manager, residentTail: 0) { _ in }, options: setup)
    let (entry, answer) = try files.create(
      Array("log".utf8), in: .root, permissions: 0o600, flags: Self.flags, caller: setup.owner)
    log = try manager.log(entry.attributes.node)
    handle = answer.handle
    cache.attach(files, handle, size: 0)
  }

  func close() throws {
    cache.detach()
    files.close()
    try manager.close()
    try FileManager.default.removeItem(at: directory)
  }

  func lookUp() throws -> Entry {
    guard case .now(let entry) = try files.lookUp(Array("log".utf8), in: .root) else { throw AofError(.busy, "not now") }
    return entry
  }

  /// Opens the log anew, with the size that the kernel learns.
  func reopen() throws {
    let entry = try lookUp()
    handle = try files.open(log.id, Self.flags).handle
    cache.attach(files, handle, size: Int(entry.attributes.size))
  }

  /// The errno of an fsync, once the page cache has sent everything; 0 if it succeeds.
  func sync(_ random: inout SplitMix) throws -> Int32 {
    cache.sendAll(&random)
    if let error = cache.takeErrors().first { return error }
    do throws(AofError) {
      guard case .later(let work) = try files.fsync(handle) else { return 0 }
      let outcome = Monitor<Result<Void, AofError>?>(nil)
      work.start { result in outcome.change { $0 = result } }
      try outcome.wait { $0 }.get()
      return 0
    } catch {
      return error.errno
    }
  }

  /// A READ that fills pages: its bytes, or the errno.
  func read(_ count: Int, at offset: Int, _ flags: OpenFlags = OpenFlags(rawValue: O_RDONLY)) throws -> Result<[UInt8], SystemErrno> {
    let reader = try files.open(log.id, flags).handle
    defer { files.release(reader) }
    var buffer = [UInt8](repeating: 0, count: count)
    do throws(AofError) {
      let answer = try buffer.withTypedMutableBytes { buffer throws(AofError) in
        try files.read(reader, at: UInt64(offset), into: buffer, flags: flags, fillsCache: true)
      }
      guard case .later(let work) = answer else {
        guard case .read(let count) = answer else { return .success([]) }
        return .success(Array(buffer[..<count]))
      }
      let outcome = Monitor<Result<[UInt8], AofError>?>(nil)
      work.start { result in outcome.change { $0 = result.map { Array($0.buffer) } } }
      return .success(try outcome.wait { $0 }.get())
    } catch {
      return .failure(SystemErrno(value: error.errno))
    }
  }

  struct SystemErrno: Error, Equatable { let value: Int32 }

  /// What the log holds.
  func bytes() throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Int(log.tailLSN.rawValue))
    var cursor = try log.openCursor()
    let count = try bytes.withTypedMutableBytes { bytes throws(AofError) in try cursor.read(into: bytes) }
    #expect(count == bytes.count)
    return bytes
  }
}
