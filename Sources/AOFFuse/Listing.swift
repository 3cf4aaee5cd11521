import AOFFileSystem
import CFuse3
import Glibc

/// A directory listing in the kernel's format, while it is put together.
struct Listing {
  /// libfuse wants the request it belongs to, and does nothing with it.
  let request: fuse_req_t
  let buffer: UnsafeMutableRawBufferPointer
  private var used = 0

  init(request: fuse_req_t, buffer: UnsafeMutableRawBufferPointer) {
    self.request = request
    self.buffer = buffer
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[..<used]) }

  /// What readdir shows for a node whose number is made only by looking it up.
  private static let unknownNumber: UInt64 = 0xffff_ffff

  /// False if the name does not fit.
  mutating func add(_ name: DirectoryEntry, next: UInt64) -> Bool {
    var status = Self.status(name)
    return add(name) { [request] in fuse_add_direntry(request, $1, $2, $0, &status, off_t(clamping: next)) }
  }

  /// As ``add(_:next:)``, with what the kernel may remember of the node; without an entry it remembers nothing.
  mutating func add(_ name: DirectoryEntry, _ entry: Entry?, next: UInt64) -> Bool {
    var parameter = fuse_entry_param()
    if let entry {
      parameter = fuse_entry_param(entry)
    } else {
      parameter.attr = Self.status(name)
    }
    return add(name) { [request] in fuse_add_direntry_plus(request, $1, $2, $0, &parameter, off_t(clamping: next)) }
  }

  private static func status(_ name: DirectoryEntry) -> stat {
    var status = stat()
    status.st_ino = ino_t(name.node?.rawValue ?? unknownNumber)
    status.st_mode = name.kind == .directory ? S_IFDIR : S_IFREG
    return status
  }

  private mutating func add(
    _ name: DirectoryEntry, _ put: (UnsafePointer<CChar>, UnsafeMutablePointer<CChar>?, Int) -> Int
  ) -> Bool {
    let room = buffer.count - used
    let place = buffer.baseAddress?.advanced(by: used).assumingMemoryBound(to: CChar.self)
    // libfuse writes nothing if it does not fit, and returns what it would have taken.
    let needed = (name.name + [0]).withUnsafeBufferPointer { text in
      text.withMemoryRebound(to: CChar.self) { text in text.baseAddress.map { put($0, place, room) } ?? .max }
    }
    guard needed <= room else { return false }
    used += needed
    return true
  }
}
