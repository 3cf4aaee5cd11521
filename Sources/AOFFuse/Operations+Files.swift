import AOFCore
import AOFFileSystem
import CFuse3
import Glibc

typealias FileInfo = UnsafeMutablePointer<fuse_file_info>

extension UnsafeMutablePointer<fuse_file_info> {
  var handle: HandleID { HandleID(rawValue: pointee.fh) }
  var openFlags: OpenFlags { OpenFlags(rawValue: pointee.flags) }
  /// Of a READ: whether it fills pages. The kernel names an owner of locks with those that go past its page cache, and with
  /// no others.
  var fillsCache: Bool { pointee.lock_owner == 0 }
}

extension Optional where Wrapped == FileInfo {
  /// A number that stands for no handle where the kernel sent none.
  var handle: HandleID { self?.handle ?? HandleID(rawValue: .max) }
  var openFlags: OpenFlags { self?.openFlags ?? OpenFlags(rawValue: 0) }
  var fillsCache: Bool { self?.fillsCache ?? true }
}

func onOpen(_ request: fuse_req_t?, _ node: fuse_ino_t, _ file: FileInfo?) {
  guard let call = Call(request, "open"), let file else { return }
  call.opened(file) { files throws(AofError) in try files.open(NodeID(rawValue: node), file.openFlags) }
}

func onCreate(
  _ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ mode: mode_t, _ file: FileInfo?
) {
  guard let call = Call(request, "create"), let file else { return }
  call.created(file) { files, caller throws(AofError) in
    try files.create(
      nameBytes(name), in: NodeID(rawValue: parent), permissions: mode, flags: file.openFlags, caller: caller)
  }
}

func onRead(_ request: fuse_req_t?, _ node: fuse_ino_t, _ size: Int, _ offset: off_t, _ file: FileInfo?) {
  guard let call = Call(request, "read") else { return }
  call.read(size, at: UInt64(clamping: offset), file)
}

func onWrite(
  _ request: fuse_req_t?, _ node: fuse_ino_t, _ bytes: UnsafePointer<CChar>?, _ size: Int, _ offset: off_t,
  _ file: FileInfo?
) {
  guard let call = Call(request, "write") else { return }
  call.write(UnsafeRawBufferPointer(start: bytes, count: size), at: UInt64(clamping: offset), file)
}

func onFlush(_ request: fuse_req_t?, _ node: fuse_ino_t, _ file: FileInfo?) {
  guard let call = Call(request, "flush") else { return }
  call.sync { files throws(AofError) in try files.flush(file.handle) }
}

func onSync(_ request: fuse_req_t?, _ node: fuse_ino_t, _ dataOnly: Int32, _ file: FileInfo?) {
  guard let call = Call(request, "fsync") else { return }
  call.sync { files throws(AofError) in try files.fsync(file.handle) }
}

func onRelease(_ request: fuse_req_t?, _ node: fuse_ino_t, _ file: FileInfo?) {
  guard let call = Call(request, "release") else { return }
  call.done { files throws(AofError) in files.release(file.handle) }
}

func onAllocate(
  _ request: fuse_req_t?, _ node: fuse_ino_t, _ mode: Int32, _ offset: off_t, _ length: off_t, _ file: FileInfo?
) {
  guard let call = Call(request, "fallocate") else { return }
  call.done { files throws(AofError) in
    try files.fallocate(
      file.handle, mode: mode, offset: UInt64(clamping: offset), length: UInt64(clamping: length))
  }
}

func onSeek(_ request: fuse_req_t?, _ node: fuse_ino_t, _ offset: off_t, _ whence: Int32, _ file: FileInfo?) {
  guard let call = Call(request, "lseek") else { return }
  call.position { files throws(AofError) in
    try files.lseek(file.handle, offset: Int64(offset), whence: whence)
  }
}

func onControl(
  _ request: fuse_req_t?, _ node: fuse_ino_t, _ command: UInt32, _ argument: UnsafeMutableRawPointer?,
  _ file: FileInfo?, _ flags: UInt32, _ input: UnsafeRawPointer?, _ inputSize: Int, _ outputSize: Int
) {
  guard let call = Call(request, "ioctl") else { return }
  var value: UInt32?
  if let input, inputSize >= 4 { value = input.loadUnaligned(as: UInt32.self) }
  call.ioctl(outputSize) { files throws(AofError) in
    try files.ioctl(NodeID(rawValue: node), request: command, flags: value)
  }
}

extension Call {
  consuming func opened(_ file: FileInfo, _ body: (FileSystem) throws(AofError) -> OpenAnswer) {
    let answer: OpenAnswer
    do throws(AofError) { answer = try body(context.files) } catch { return fail(error) }
    let files = context.files
    if !reply.opened(answer, file) { files.release(answer.handle) }
  }

  consuming func created(
    _ file: FileInfo, _ body: (FileSystem, Caller) throws(AofError) -> (Entry, OpenAnswer)
  ) {
    let (entry, answer): (Entry, OpenAnswer)
    do throws(AofError) { (entry, answer) = try body(context.files, caller) } catch { return fail(error) }
    let files = context.files
    if !reply.created(entry, answer, file) {
      files.release(answer.handle)
      files.forget(entry.attributes.node, count: 1)
    }
  }

  /// From the thread's buffer at once, or later from where the remote's bytes are.
  consuming func read(_ size: Int, at offset: UInt64, _ file: FileInfo?) {
    let (handle, flags, fillsCache, files) = (file.handle, file.openFlags, file.fillsCache, context.files)
    let buffer = ThreadBuffer.buffer(size)
    defer { buffer.release() }
    let answer: ReadAnswer
    do throws(AofError) {
      answer = try files.read(handle, at: offset, into: buffer.bytes, flags: flags, fillsCache: fillsCache)
    } catch { return fail(error) }
    switch answer {
    case .read(let count): reply.bytes(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count]))
    case .later(let work): later(work) { reply, bytes in reply.bytes(bytes.buffer) }
    }
  }

  consuming func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, _ file: FileInfo?) {
    let answer: WriteAnswer
    do throws(AofError) {
      answer = try context.files.write(
        file.handle, at: offset, bytes, flags: file.openFlags, fromPageCache: file?.pointee.writepage == 1,
        by: task)
    } catch { return fail(error) }
    switch answer {
    case .wrote(let count): reply.wrote(count)
    case .later(let work): later(work) { reply, count in reply.wrote(count) }
    }
  }

  consuming func sync(_ body: (FileSystem) throws(AofError) -> SyncAnswer) {
    let answer: SyncAnswer
    do throws(AofError) { answer = try body(context.files) } catch { return fail(error) }
    switch answer {
    case .done: reply.error(0)
    case .later(let work): later(work) { reply, _ in reply.error(0) }
    }
  }

  consuming func position(_ body: (FileSystem) throws(AofError) -> Int64) {
    let position: Int64
    do throws(AofError) { position = try body(context.files) } catch { return fail(error) }
    reply.position(position)
  }

  consuming func ioctl(_ outputSize: Int, _ body: (FileSystem) throws(AofError) -> UInt32?) {
    let flags: UInt32?
    do throws(AofError) { flags = try body(context.files) } catch { return fail(error) }
    reply.ioctl(flags, count: outputSize)
  }

  consuming func disk(_ body: (FileSystem) throws(AofError) -> DiskStatus) {
    let disk: DiskStatus
    do throws(AofError) { disk = try body(context.files) } catch { return fail(error) }
    reply.disk(disk)
  }

  consuming func none() { reply.none() }
}
