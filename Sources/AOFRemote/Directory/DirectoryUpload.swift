import AOFCore
import AOFSystem

extension DirectoryStore {
  public func put(_ bytes: UnsafeRawBufferPointer, as key: RemoteKey, _ condition: RemoteCondition)
    throws(AofError) -> RemoteOutcome
  {
    let upload = try DirectoryUpload(self, key)
    try upload.write(bytes)
    return try upload.commit(condition)
  }

  public func beginUpload(_ key: RemoteKey) throws(AofError) -> any RemoteUpload {
    try DirectoryUpload(self, key)
  }

  /// The directory that is to hold the object, made if it is missing; it and all above it are on the disk.
  func makeParent(of key: RemoteKey) throws(AofError) -> (DirectoryHandle, String) {
    var parts = key.parts
    let name = parts.removeLast()
    var directory = root
    var walked = ""
    for part in parts {
      walked += part + "/"
      let isNew = try directory.makeDirectory(part)
      let isSynced = syncedDirectories.withLock { $0.contains(walked) }
      if isNew || !isSynced {
        try directory.sync()
        syncedDirectories.withLock { _ = $0.insert(walked) }
      }
      directory = try directory.openDirectory(part)
    }
    return (directory, name)
  }
}

/// A temporary file that gets its name, and with it becomes an object, at the commit.
final class DirectoryUpload: RemoteUpload {
  private let store: DirectoryStore
  private let key: RemoteKey
  private let temporary: DirectoryHandle
  private let temporaryName: String
  /// Locked for as long as it is open, so that nobody takes it for a crash's leftover. Nil once the upload
  /// is over.
  private var file: File?
  private var size = 0

  init(_ store: DirectoryStore, _ key: RemoteKey) throws(AofError) {
    self.store = store
    self.key = key
    do {
      temporary = try store.temporaries()
      (temporaryName, file) = try Self.makeTemporary(in: temporary)
    } catch {
      throw store.failure("cannot begin", key, error)
    }
  }

  /// Creates a file and locks it. A store that is being opened may find the file before it is locked, take
  /// it for a leftover and delete it: then another name is tried.
  private static func makeTemporary(in directory: DirectoryHandle) throws(AofError) -> (String, File) {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<16 {
      let digits = String(random.next(), radix: 16)
      let name = String(repeating: "0", count: 16 - digits.utf8.count) + digits
      let file = try directory.createFile(name)
      // A filesystem that has no locks is used without; there, nobody can lock a leftover and delete it
      // either.
      let isLocked = (try? file.tryLockExclusively()) ?? true
      if isLocked, try file.hasName() { return (name, file) }
    }
    throw AofError(.busy, "every new temporary file was deleted by others", remedy: "try again")
  }

  deinit { abandon() }

  func write(_ bytes: UnsafeRawBufferPointer) throws(AofError) {
    guard let file else { throw AofError(.invalidArgument, "the upload of \(key) is over") }
    do {
      try file.write(bytes, at: size)
      size += bytes.count
    } catch {
      throw store.failure("cannot write", key, error)
    }
  }

  func commit(_ condition: RemoteCondition) throws(AofError) -> RemoteOutcome {
    guard let file else { throw AofError(.invalidArgument, "the upload of \(key) is over") }
    // Whatever is left under the temporary name, after an error or a link, goes.
    defer { abandon() }
    do {
      try file.syncData()
      let (directory, name) = try store.makeParent(of: key)
      let created = try temporary.rename(
        temporaryName, to: name, of: directory, replacing: condition == .always)
      // Also when the name was taken: whoever took it may not have synced the directory yet.
      try directory.sync()
      return created ? .created : .alreadyExists
    } catch {
      throw store.failure("cannot publish", key, error)
    }
  }

  func abandon() {
    guard file != nil else { return }
    // What cannot be deleted is harmless; the next open deletes it.
    _ = try? temporary.unlink(temporaryName)
    file = nil
  }
}
