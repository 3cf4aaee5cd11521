import AOFCore
import AOFSystem

/// Objects as files below a directory, as docs/format/remote-layout.md describes it. Nothing to install;
/// also fit for a mounted network share.
public final class DirectoryStore: RemoteStore {
  public let path: String
  let root: DirectoryHandle
  /// Where objects are before they have their names: in the same filesystem, and under a name that no key
  /// can have. Nil for a store that is only read.
  private let temporary: DirectoryHandle?
  /// Directories below the root whose entry in their parent is known to be on the disk. One that is merely
  /// there may have been made by another thread, or before a crash, and not have been synced.
  let syncedDirectories = Lock<Set<String>>([])

  static let temporaryName = ".tmp"

  /// Opens the directory at `path`, an absolute path; creates it, and what is missing above it, if `create`
  /// is set. Deletes what crashed uploads left.
  ///
  /// - Throws: `notFound`; `remoteFailure`.
  public init(path: String, create: Bool) throws(AofError) {
    self.path = path
    do {
      root = try create ? Self.makeRoot(path) : DirectoryHandle(path)
      if try root.makeDirectory(Self.temporaryName) { try root.sync() }
      let temporary = try root.openDirectory(Self.temporaryName)
      self.temporary = temporary
      Self.removeStale(temporary)
    } catch {
      throw Self.cannotOpen(path, error)
    }
  }

  /// Opens the directory at `path` for reading alone: nothing in it is created or deleted.
  /// - Throws: `notFound`; `remoteFailure`.
  package init(reading path: String) throws(AofError) {
    self.path = path
    temporary = nil
    do {
      root = try DirectoryHandle(path)
    } catch {
      throw Self.cannotOpen(path, error)
    }
  }

  private static func cannotOpen(_ path: String, _ cause: AofError) -> AofError {
    if cause.code == .notFound {
      return AofError(
        .notFound, "the remote dir:\(path) does not exist", remedy: "create or mount it", cause: cause)
    }
    return AofError(
      .remoteFailure, "the remote dir:\(path) cannot be opened",
      remedy: "check that it is a directory of yours", cause: cause)
  }

  /// - Throws: `readOnly` if the store is only read.
  func temporaries() throws(AofError) -> DirectoryHandle {
    guard let temporary else { throw AofError(.readOnly, "\(self) was opened for reading alone") }
    return temporary
  }

  public var description: String { "dir:\(path)" }

  /// Every directory that is made is synced into its parent, from the top down.
  private static func makeRoot(_ path: String) throws(AofError) -> DirectoryHandle {
    do {
      return try DirectoryHandle(path)
    } catch {
      guard error.code == .notFound, let slash = path.lastIndex(of: "/"), path != "/" else { throw error }
      let parent = try makeRoot(slash == path.startIndex ? "/" : String(path[..<slash]))
      if try parent.makeDirectory(String(path[path.index(after: slash)...])) { try parent.sync() }
      return try DirectoryHandle(path)
    }
  }

  /// A temporary that can be locked has no writer. What cannot be deleted is harmless and stays.
  private static func removeStale(_ temporary: DirectoryHandle) {
    for entry in (try? temporary.entries()) ?? [] where !entry.isDirectory {
      if let file = try? temporary.openFile(entry.name), (try? file.tryLockExclusively()) == true {
        _ = try? temporary.unlink(entry.name)
      }
    }
  }

  // MARK: Reading

  public func read(_ key: RemoteKey, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
    throws(AofError)
  {
    let count: Int?
    do {
      // No file has a byte at an offset that is no Int.
      count = try openObject(key).map { file throws(AofError) in
        try Int(exactly: offset).map { offset throws(AofError) in try file.read(into: buffer, at: offset) } ?? 0
      }
    } catch {
      throw failure("cannot read", key, error)
    }
    guard let count else { throw AofError(.notFound, "\(self): there is no object \(key)") }
    guard count == buffer.count else {
      let end = offset &+ UInt64(count)
      throw AofError(
        .corrupt, "\(self): \(key) has no bytes past \(end), \(buffer.count - count) more were expected")
    }
  }

  public func get(_ key: RemoteKey, limit: Int) throws(AofError) -> [UInt8]? {
    var bytes: [UInt8]
    do throws(AofError) {
      guard let file = try openObject(key), let size = try file.regularSize() else { return nil }
      guard size <= limit else {
        throw AofError(.tooLarge, "it has \(size) bytes, more than \(limit)")
      }
      bytes = [UInt8](repeating: 0, count: size)
      let count = try bytes.withTypedMutableBytes { buffer throws(AofError) in try file.read(into: buffer, at: 0) }
      guard count == size else { throw AofError(.corrupt, "it shrank while it was read") }
    } catch {
      throw failure("cannot read", key, error)
    }
    return bytes
  }

  public func size(of key: RemoteKey) throws(AofError) -> UInt64? {
    do {
      return try openObject(key)?.regularSize().map { UInt64(clamping: $0) }
    } catch {
      throw failure("cannot look up", key, error)
    }
  }

  /// Nil if there is no such object; a directory or device is none. A symbolic link is an error.
  private func openObject(_ key: RemoteKey) throws(AofError) -> File? {
    guard let (directory, name) = try openParent(of: key) else { return nil }
    guard let file = try Self.ifPresent({ () throws(AofError) in try directory.openFile(name) }),
      try file.regularSize() != nil
    else { return nil }
    return file
  }

  /// The directory that holds the object, and the object's name in it; nil if there is no such directory.
  func openParent(of key: RemoteKey) throws(AofError) -> (DirectoryHandle, String)? {
    var parts = key.parts
    let name = parts.removeLast()
    guard let directory = try openDirectory(parts) else { return nil }
    return (directory, name)
  }

  func openDirectory(_ parts: [String]) throws(AofError) -> DirectoryHandle? {
    var directory = root
    for part in parts {
      let parent = directory
      guard let next = try Self.ifPresent({ () throws(AofError) in try parent.openDirectory(part) }) else {
        return nil
      }
      directory = next
    }
    return directory
  }

  private static func ifPresent<Opened>(_ open: () throws(AofError) -> Opened) throws(AofError) -> Opened? {
    do {
      return try open()
    } catch {
      if error.code == .notFound { return nil }
      throw error
    }
  }

  // MARK: Deleting

  public func delete(_ key: RemoteKey) throws(AofError) {
    do {
      guard let (directory, name) = try openParent(of: key) else { return }
      if try directory.unlink(name) { try directory.sync() }
    } catch {
      throw failure("cannot delete", key, error)
    }
  }

  /// Says which object it was. Codes that callers decide by are kept, all others become `remoteFailure`; a file that
  /// vanished under our hands, too, for `notFound` speaks of the object.
  func failure(_ what: String, _ key: RemoteKey, _ cause: AofError) -> AofError {
    let code: AofError.Code =
      switch cause.code {
      case .corrupt, .tooLarge: cause.code
      default: .remoteFailure
      }
    return AofError(code, "\(self): \(what) \(key)", cause: cause)
  }
}
