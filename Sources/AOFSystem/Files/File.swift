import AOFCore
import CAofsShims
import Glibc

/// An open file of the local disk. Positions are explicit, so threads share it freely.
///
/// A class that a simulated disk can subclass: dispatch through its table is what the hot paths can afford.
package class File: @unchecked Sendable {  // immutable, but for the descriptor's own state in the kernel
  package let path: String
  package let descriptor: Int32

  package init(path: String, descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Reads until the buffer is full or the file ends; returns the bytes read.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(AofError) -> Int {
    guard let base = buffer.baseAddress else { return 0 }
    var done = 0
    while done < buffer.count {
      let count = pread(descriptor, base + done, buffer.count - done, off_t(offset + done))
      if count == 0 { break }
      if count < 0 {
        if errno == EINTR { continue }
        throw .systemCall("read", path, errno: errno)
      }
      done += count
    }
    return done
  }

  /// Writes all of the bytes. After an error some of them may be written.
  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(AofError) {
    guard let base = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      let count = pwrite(descriptor, base + done, bytes.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw .systemCall("write", path, errno: errno)
      }
      done += count
    }
  }

  /// Writes all of the pieces, one after the other. `pieces` is consumed: its entries change.
  package func write(pieces: UnsafeMutableBufferPointer<iovec>, at offset: Int) throws(AofError) {
    var first = 0
    var position = offset
    while first < pieces.count {
      let batch = min(pieces.count - first, 1024)
      guard let base = pieces.baseAddress else { return }
      var count = pwritev(descriptor, base + first, Int32(batch), off_t(position))
      if count < 0 {
        if errno == EINTR { continue }
        throw .systemCall("write", path, errno: errno)
      }
      position += count
      while first < pieces.count, count >= pieces[first].iov_len {
        count -= pieces[first].iov_len
        first += 1
      }
      if count > 0, first < pieces.count {
        pieces[first].iov_base = pieces[first].iov_base.map { $0 + count }
        pieces[first].iov_len -= count
      }
    }
  }

  /// fdatasync: the bytes, and what is needed to find them, survive power loss.
  package func syncData() throws(AofError) {
    while fdatasync(descriptor) != 0 {
      if errno == EINTR { continue }
      throw .systemCall("fdatasync", path, errno: errno)
    }
  }

  /// What the kernel failed to bring to the disk of the file since it was opened, or last said so. Makes nothing durable.
  package func checkWrites() throws(AofError) {
    while sync_file_range(descriptor, 0, 0, UInt32(SYNC_FILE_RANGE_WAIT_BEFORE)) != 0 {
      if errno == EINTR { continue }
      throw .systemCall("sync_file_range", path, errno: errno)
    }
  }

  /// Reserves space for `count` bytes from the start, which then read as zeros. A filesystem that cannot
  /// reserve (EOPNOTSUPP) only grows the file.
  package func allocate(_ count: Int) throws(AofError) {
    while fallocate(descriptor, 0, 0, off_t(count)) != 0 {
      if errno == EINTR { continue }
      guard errno == EOPNOTSUPP else { throw .systemCall("fallocate", path, errno: errno) }
      if try size() < count { try truncate(count) }
      return
    }
  }

  /// Writes zeros over the first `count` bytes, page by page: a large write makes large folios in the page cache, and
  /// every small write that follows would pay for all the blocks of its folio.
  package func fillWithZeros(_ count: Int) throws(AofError) {
    let zeros = [UInt8](repeating: 0, count: 4096)
    for offset in stride(from: 0, to: count, by: zeros.count) {
      try zeros.withTypedBytes { zeros throws(AofError) in
        try write(UnsafeRawBufferPointer(rebasing: zeros.prefix(count - offset)), at: offset)
      }
    }
  }

  /// Frees the blocks of a range, which then reads as zeros. The file keeps its size.
  package func punchHole(_ range: Range<Int>) throws(AofError) {
    guard !range.isEmpty else { return }
    let mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    while fallocate(descriptor, mode, off_t(range.lowerBound), off_t(range.count)) != 0 {
      if errno == EINTR { continue }
      throw .systemCall("fallocate", path, errno: errno)
    }
  }

  /// The file's length in bytes.
  package func size() throws(AofError) -> Int { Int(try status().st_size) }

  /// The bytes that the file takes on the disk.
  package func allocatedSize() throws(AofError) -> Int { Int(try status().st_blocks) * 512 }

  /// The length in bytes of a regular file; nil for anything else that can be opened.
  package func regularSize() throws(AofError) -> Int? {
    let status = try status()
    return status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
  }

  /// False once the file's last name was removed.
  package func hasName() throws(AofError) -> Bool { try status().st_nlink > 0 }

  private func status() throws(AofError) -> stat {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .systemCall("fstat", path, errno: errno) }
    return status
  }

  /// Takes the file's advisory lock for this process's lifetime or until the file is closed.
  /// Returns false when another process holds it. Never waits.
  package func tryLockExclusively() throws(AofError) -> Bool {
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      if errno == EWOULDBLOCK { return false }
      throw .systemCall("flock", path, errno: errno)
    }
    return true
  }

  /// Lets go of the lock that ``tryLockExclusively()`` took.
  package func unlock() throws(AofError) {
    guard flock(descriptor, LOCK_UN) == 0 else { throw .systemCall("flock", path, errno: errno) }
  }

  /// Cuts the file to `count` bytes.
  package func truncate(_ count: Int) throws(AofError) {
    guard ftruncate(descriptor, off_t(count)) == 0 else {
      throw .systemCall("ftruncate", path, errno: errno)
    }
  }
}
