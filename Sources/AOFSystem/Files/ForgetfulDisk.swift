import AOFCore
import Glibc

/// A disk whose changes come to nothing: what runs on it sees what is there and changes none of it.
///
/// A recovery that runs on it tells what a real one would do. What is written is not read back: nothing that runs here
/// reads what it wrote.
package final class ForgetfulDisk: Disk {
  private let base: any Disk
  private let created = Lock<[String]>([])

  package init(_ base: any Disk) { self.base = base }

  /// The files that would have been created, in order.
  package var wouldBeCreated: [String] { created.withLock { $0 } }

  package func open(_ path: String, _ mode: OpenMode) throws(AofError) -> File {
    let isNew: Bool
    switch mode {
    case .read: return try base.open(path, .read)
    case .readWrite: isNew = false
    case .readWriteCreate: isNew = !base.exists(path)
    case .createNew: isNew = true
    }
    guard isNew else { return ForgetfulFile(path, try base.open(path, .read)) }
    created.withLock { $0.append(path) }
    return ForgetfulFile(path, nil)
  }

  package func makeDirectory(_ path: String) throws(AofError) {
    if base.exists(path) { throw AofError(.alreadyExists, "\(path) exists") }
  }

  package func rename(_ path: String, to newPath: String) throws(AofError) {}
  package func remove(_ path: String) throws(AofError) {}
  package func removeDirectory(_ path: String) throws(AofError) {}
  package func syncDirectory(_ path: String) throws(AofError) {}
  package func volume(of directory: String) throws(AofError) -> any Volume { ForgetfulVolume() }
  package func list(_ path: String) throws(AofError) -> [String] { try base.list(path) }
  package func exists(_ path: String) -> Bool { base.exists(path) }
  package func checkDirectory(_ path: String) throws(AofError) { try base.checkDirectory(path) }
}

/// A file as it is, or an empty one, whose changes come to nothing.
private final class ForgetfulFile: File, @unchecked Sendable {  // immutable
  private let base: File?

  init(_ path: String, _ base: File?) {
    self.base = base
    super.init(path: path, descriptor: -1)
  }

  package override func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(AofError) -> Int {
    try base?.read(into: buffer, at: offset) ?? 0
  }

  package override func size() throws(AofError) -> Int { try base?.size() ?? 0 }
  package override func allocatedSize() throws(AofError) -> Int { try base?.allocatedSize() ?? 0 }
  package override func regularSize() throws(AofError) -> Int? { try base?.regularSize() ?? 0 }
  package override func hasName() throws(AofError) -> Bool { true }
  package override func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(AofError) {}
  package override func write(pieces: UnsafeMutableBufferPointer<iovec>, at offset: Int) throws(AofError) {}
  package override func syncData() throws(AofError) {}
  package override func checkWrites() throws(AofError) {}
  package override func allocate(_ count: Int) throws(AofError) {}
  package override func fillWithZeros(_ count: Int) throws(AofError) {}
  package override func punchHole(_ range: Range<Int>) throws(AofError) {}
  package override func truncate(_ count: Int) throws(AofError) {}
  package override func tryLockExclusively() throws(AofError) -> Bool { true }
  package override func unlock() throws(AofError) {}
}

private struct ForgetfulVolume: Volume {
  func sync() throws(AofError) {}
}
