import CTestShims
import Glibc
import Synchronization

/// A system call that failed.
struct SystemError: Error, CustomStringConvertible {
  let errno: Int32

  var description: String {
    guard let name = strerrorname(errno) else { return "errno \(errno)" }
    return name
  }

  private func strerrorname(_ number: Int32) -> String? {
    let names: [Int32: String] = [
      EPERM: "EPERM", ENOENT: "ENOENT", EINTR: "EINTR", EIO: "EIO", ENXIO: "ENXIO", EBADF: "EBADF",
      EAGAIN: "EAGAIN", EACCES: "EACCES", EBUSY: "EBUSY", EEXIST: "EEXIST", EXDEV: "EXDEV", ENODEV: "ENODEV",
      ENOTDIR: "ENOTDIR", EISDIR: "EISDIR", EINVAL: "EINVAL", ETXTBSY: "ETXTBSY", EFBIG: "EFBIG",
      ENOSPC: "ENOSPC", EROFS: "EROFS", ENAMETOOLONG: "ENAMETOOLONG", ENOTEMPTY: "ENOTEMPTY",
      ENODATA: "ENODATA", EOPNOTSUPP: "EOPNOTSUPP", ENOTCONN: "ENOTCONN", ECONNABORTED: "ECONNABORTED",
      ENOSYS: "ENOSYS", ETIMEDOUT: "ETIMEDOUT", EDQUOT: "EDQUOT", ENOTTY: "ENOTTY", ESTALE: "ESTALE",
    ]
    return names[number]
  }
}

/// The result of a system call, or its error.
@discardableResult
func check(_ result: Int) throws -> Int {
  guard result >= 0 else { throw SystemError(errno: errno) }
  return result
}

@discardableResult
func check(_ result: Int32) throws -> Int { try check(Int(result)) }

/// "ok", or the name of the errno: how a row of the semantics reads.
func outcome<T>(_ body: () throws -> T) -> String {
  do {
    _ = try body()
    return "ok"
  } catch let error as SystemError {
    return error.description
  } catch {
    return "\(error)"
  }
}

/// An open file.
final class Handle: Sendable {
  private let descriptor: Mutex<Int32?>
  let fd: Int32

  init(_ path: String, _ flags: Int32, mode: mode_t = 0o644) throws {
    fd = Int32(try check(test_open(path, flags, mode)))
    descriptor = Mutex(fd)
  }

  deinit { try? close() }

  func close() throws {
    let open = descriptor.withLock { state in
      defer { state = nil }
      return state
    }
    if let open { try check(Glibc.close(open)) }
  }

  /// One write(2).
  @discardableResult
  func write(_ bytes: [UInt8]) throws -> Int { try check(Glibc.write(fd, bytes, bytes.count)) }

  @discardableResult
  func write(_ text: String) throws -> Int { try write(Array(text.utf8)) }

  @discardableResult
  func pwrite(_ bytes: [UInt8], at offset: Int) throws -> Int {
    try check(Glibc.pwrite(fd, bytes, bytes.count, offset))
  }

  /// One pread(2).
  func read(_ count: Int, at offset: Int) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0xEE, count: count)
    let got = try check(pread(fd, &buffer, count, offset))
    return Array(buffer.prefix(got))
  }

  func size() throws -> Int { try Int(status().st_size) }

  func status() throws -> stat {
    var answer = stat()
    try check(fstat(fd, &answer))
    return answer
  }

  func truncate(_ size: Int) throws { try check(ftruncate(fd, size)) }
  func sync() throws { try check(fsync(fd)) }
  func seek(_ offset: Int, _ whence: Int32) throws -> Int { try check(lseek(fd, offset, whence)) }

  func allocate(_ mode: Int32, at offset: Int, _ length: Int) throws {
    try check(test_fallocate(fd, mode, offset, length))
  }
}

/// The whole of a file, read in pieces of `piece` bytes until the end.
func contents(_ path: String, piece: Int = 1 << 20) throws -> [UInt8] {
  let handle = try Handle(path, O_RDONLY)
  var all: [UInt8] = []
  while true {
    let part = try handle.read(piece, at: all.count)
    if part.isEmpty { return all }
    all += part
  }
}

func text(_ path: String) throws -> String { String(decoding: try contents(path), as: UTF8.self) }

func status(_ path: String) throws -> stat {
  var answer = stat()
  try check(lstat(path, &answer))
  return answer
}

/// The names in a directory, without `.` and `..`.
func names(in path: String) throws -> [[UInt8]] {
  guard let directory = opendir(path) else { throw SystemError(errno: errno) }
  defer { closedir(directory) }
  var found: [[UInt8]] = []
  while let entry = readdir(directory) {
    let name = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
    if name != Array(".".utf8), name != Array("..".utf8) { found.append(name) }
  }
  return found
}

/// A temporary folder, removed with everything in it by ``remove()``.
struct TemporaryFolder: Sendable {
  let path: String

  init() throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/aofs-mount-test.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemError(errno: errno) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  func remove() { _ = try? runUnlogged(["/bin/rm", "-rf", "--one-file-system", path]) }
}

/// `count` bytes of a sequence in which no byte is NUL and each depends on its place, from `start` on.
func pattern(_ count: Int, from start: Int = 0) -> [UInt8] {
  // The empty array is one object of the standard library; writing its count is a race to ThreadSanitizer.
  guard count > 0 else { return [] }
  return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
    for index in 0..<count {
      var mixed = UInt64(truncatingIfNeeded: start &+ index) &* 0x9E37_79B9_7F4A_7C15
      mixed ^= mixed >> 29
      buffer[index] = UInt8(truncatingIfNeeded: mixed % 255) &+ 1
    }
    filled = count
  }
}

/// Runs `count` bodies at once, each on a thread of its own, and waits for all of them.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
  final class Job: Sendable {
    let index: Int
    let body: @Sendable (Int) throws -> Void
    let failure = Mutex<(any Error)?>(nil)
    init(_ index: Int, _ body: @escaping @Sendable (Int) throws -> Void) {
      self.index = index
      self.body = body
    }
    func run() {
      do { try body(index) } catch { failure.withLock { $0 = error } }
    }
  }
  let jobs = (0..<count).map { Job($0, body) }
  let threads = jobs.map { job in
    var thread = pthread_t()
    let context = Unmanaged.passRetained(job).toOpaque()
    pthread_create(&thread, nil, { context in
      guard let context else { return nil }
      Unmanaged<Job>.fromOpaque(context).takeRetainedValue().run()
      return nil
    }, context)
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
  for job in jobs {
    if let failure = job.failure.withLock({ $0 }) { throw failure }
  }
}
