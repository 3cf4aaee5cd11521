import AOFCore
import AOFFileSystem
import CFuse3

func onOpenDirectory(_ request: fuse_req_t?, _ node: fuse_ino_t, _ file: FileInfo?) {
  guard let call = Call(request, "opendir"), let file else { return }
  call.openedDirectory(file) { files throws(AofError) in try files.openDirectory(NodeID(rawValue: node)) }
}

func onReadDirectory(_ request: fuse_req_t?, _ node: fuse_ino_t, _ size: Int, _ offset: off_t, _ file: FileInfo?) {
  guard let call = Call(request, "readdir") else { return }
  call.readDirectory(size, from: UInt64(clamping: offset), file.handle)
}

func onReadDirectoryPlus(
  _ request: fuse_req_t?, _ node: fuse_ino_t, _ size: Int, _ offset: off_t, _ file: FileInfo?
) {
  guard let call = Call(request, "readdirplus") else { return }
  call.readDirectoryPlus(size, from: UInt64(clamping: offset), file.handle)
}

func onReleaseDirectory(_ request: fuse_req_t?, _ node: fuse_ino_t, _ file: FileInfo?) {
  guard let call = Call(request, "releasedir") else { return }
  call.done { files throws(AofError) in files.releaseDirectory(file.handle) }
}

func onSyncDirectory(_ request: fuse_req_t?, _ node: fuse_ino_t, _ dataOnly: Int32, _ file: FileInfo?) {
  guard let call = Call(request, "fsyncdir") else { return }
  call.done { files throws(AofError) in try files.fsyncDirectory(file.handle) }
}

extension Call {
  consuming func openedDirectory(_ file: FileInfo, _ body: (FileSystem) throws(AofError) -> HandleID) {
    let handle: HandleID
    do throws(AofError) { handle = try body(context.files) } catch { return fail(error) }
    let files = context.files
    if !reply.openedDirectory(handle, file) { files.releaseDirectory(handle) }
  }

  consuming func readDirectory(_ size: Int, from position: UInt64, _ handle: HandleID) {
    let buffer = ThreadBuffer.buffer(size)
    defer { buffer.release() }
    var listing = Listing(request: reply.request, buffer: buffer.bytes)
    do throws(AofError) {
      try context.files.readDirectory(handle, from: position) { name, next in listing.add(name, next: next) }
    } catch { return fail(error) }
    reply.bytes(listing.bytes)
  }

  /// The nodes of the store need no ``FileSystem/forget(_:count:)``, so nothing has to be given back where the
  /// kernel never gets the answer.
  consuming func readDirectoryPlus(_ size: Int, from position: UInt64, _ handle: HandleID) {
    let buffer = ThreadBuffer.buffer(size)
    defer { buffer.release() }
    var listing = Listing(request: reply.request, buffer: buffer.bytes)
    do throws(AofError) {
      try context.files.readDirectoryPlus(handle, from: position) { name, entry, next in
        listing.add(name, entry, next: next)
      }
    } catch { return fail(error) }
    reply.bytes(listing.bytes)
  }
}
