import AOFCore
import AOFFileSystem
import CFuse3
import Glibc

/// The duty to answer one request of the kernel. Answering consumes it, so nothing is answered twice; one that
/// is dropped answers EIO, so nothing is left unanswered.
///
/// INVARIANT: there is one value for each request. libfuse lets any thread answer, so the value may travel;
/// being noncopyable it is in one place at a time, which is all the locking that it needs.
struct Reply: ~Copyable, @unchecked Sendable {
  let request: fuse_req_t

  init(_ request: fuse_req_t) { self.request = request }

  deinit { fuse_reply_err(request, EIO) }

  /// Success without a value, or an error.
  consuming func error(_ errno: Int32) {
    fuse_reply_err(request, errno)
    discard self
  }

  /// For requests that the kernel does not wait for.
  consuming func none() {
    fuse_reply_none(request)
    discard self
  }

  /// False if the kernel no longer waited: what it would have had to give back is then still ours.
  consuming func entry(_ entry: Entry) -> Bool {
    var parameter = fuse_entry_param(entry)
    let sent = fuse_reply_entry(request, &parameter) == 0
    discard self
    return sent
  }

  consuming func created(_ entry: Entry, _ answer: OpenAnswer, _ file: UnsafeMutablePointer<fuse_file_info>) -> Bool {
    var parameter = fuse_entry_param(entry)
    file.pointee.take(answer)
    let sent = fuse_reply_create(request, &parameter, file) == 0
    discard self
    return sent
  }

  consuming func opened(_ answer: OpenAnswer, _ file: UnsafeMutablePointer<fuse_file_info>) -> Bool {
    file.pointee.take(answer)
    let sent = fuse_reply_open(request, file) == 0
    discard self
    return sent
  }

  consuming func openedDirectory(_ handle: HandleID, _ file: UnsafeMutablePointer<fuse_file_info>) -> Bool {
    file.pointee.fh = handle.rawValue
    let sent = fuse_reply_open(request, file) == 0
    discard self
    return sent
  }

  consuming func attributes(_ entry: Entry) {
    var status = stat(entry.attributes)
    fuse_reply_attr(request, &status, entry.attributeValidity)
    discard self
  }

  consuming func bytes(_ bytes: UnsafeRawBufferPointer) {
    fuse_reply_buf(request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
    discard self
  }

  consuming func wrote(_ count: Int) {
    fuse_reply_write(request, count)
    discard self
  }

  consuming func disk(_ disk: DiskStatus) {
    var status = statvfs(disk)
    fuse_reply_statfs(request, &status)
    discard self
  }

  /// An extended attribute, or the length that it needs when the program asked for that.
  consuming func attribute(_ value: [UInt8], limit: Int) {
    if limit == 0 {
      fuse_reply_xattr(request, value.count)
    } else if value.count > limit {
      fuse_reply_err(request, ERANGE)
    } else {
      value.withUnsafeBytes { bytes in
        _ = fuse_reply_buf(request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
      }
    }
    discard self
  }

  /// `value`, followed by zeros up to the `count` bytes that the kernel expects; nil hands back nothing.
  consuming func ioctl(_ value: UInt32?, count: Int) {
    if let value {
      let bytes = withUnsafeBytes(of: value) { Array($0) } + [UInt8](repeating: 0, count: max(count - 4, 0))
      fuse_reply_ioctl(request, 0, bytes, min(count, bytes.count))
    } else {
      fuse_reply_ioctl(request, 0, nil, 0)
    }
    discard self
  }

  consuming func position(_ offset: Int64) {
    fuse_reply_lseek(request, off_t(offset))
    discard self
  }

  /// What poll(2) tells: writing never waits.
  consuming func poll(isReadable: Bool) {
    fuse_reply_poll(request, UInt32((isReadable ? POLLIN | POLLRDNORM : 0) | POLLOUT | POLLWRNORM))
    discard self
  }

  // MARK: While it is kept

  /// No longer to be told when the kernel gives up the request. When this returns, the callback is not running
  /// and will not be called. Never call it in the callback.
  borrowing func stopListening() { fuse_req_interrupt_func(request, nil, nil) }
}
