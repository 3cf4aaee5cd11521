import AOFCore
import AOFSystem

extension DirectoryStore {
  public func list(_ directory: RemoteKey?, after last: RemoteKey?, limit: Int) throws(AofError)
    -> [RemoteListing]
  {
    var found: [RemoteListing] = []
    do {
      guard let top = try openDirectory(directory?.parts ?? []) else { return [] }
      try collect(top, prefix: directory.map { "\($0)/" } ?? "", after: last, limit: limit, into: &found)
    } catch {
      throw AofError(.remoteFailure, "\(self): cannot list \(directory?.text ?? "the objects")", cause: error)
    }
    return found
  }

  /// Appends the objects below one directory until `limit` are there. The depth of recursion is bounded by
  /// the longest key.
  private func collect(
    _ directory: DirectoryHandle, prefix: String, after last: RemoteKey?, limit: Int,
    into found: inout [RemoteListing]
  ) throws(AofError) {
    // Keys are ordered as whole strings: "a-b/c" comes before "a/c", so a directory sorts with its slash.
    let names = try directory.entries().map { $0.isDirectory ? $0.name + "/" : $0.name }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    for name in names {
      guard found.count < limit else { return }
      let path = prefix + name
      if name.hasSuffix("/") {
        guard mayHoldKeys(path, after: last), (try? RemoteKey(String(path.dropLast()))) != nil,
          let next = try openBelow(directory, String(name.dropLast()))
        else { continue }
        try collect(next, prefix: path, after: last, limit: limit, into: &found)
      } else if let key = try? RemoteKey(path), last.map({ $0 < key }) ?? true,
        let size = try size(of: name, in: directory)
      {
        found.append(RemoteListing(key: key, size: size))
      }
    }
  }

  /// Whether a directory, written with its slash, can hold keys after `last`.
  private func mayHoldKeys(_ directory: String, after last: RemoteKey?) -> Bool {
    guard let last else { return true }
    return last.text.hasPrefix(directory) || last.text.utf8.lexicographicallyPrecedes(directory.utf8)
  }

  /// Nil if it was deleted since the directory was read.
  private func openBelow(_ directory: DirectoryHandle, _ name: String) throws(AofError) -> DirectoryHandle? {
    do {
      return try directory.openDirectory(name)
    } catch {
      if error.code == .notFound { return nil }
      throw error
    }
  }

  /// Nil if it was deleted since the directory was read.
  private func size(of name: String, in directory: DirectoryHandle) throws(AofError) -> UInt64? {
    do {
      return try directory.regularSize(of: name).map { UInt64(clamping: $0) }
    } catch {
      if error.code == .notFound { return nil }
      throw error
    }
  }
}
