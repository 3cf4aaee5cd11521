import AOFCore
import Glibc

/// Memory for one answer: the calling thread's own buffer, used again for each request that the thread
/// answers, so that no READ allocates.
struct ThreadBuffer {
  let bytes: UnsafeMutableRawBufferPointer
  private let isOwned: Bool

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, freeBuffer)
    return key
  }()

  /// `count` bytes, valid until ``release()``, on this thread. One at a time.
  static func buffer(_ count: Int) -> ThreadBuffer {
    guard count <= Limits.maximumRequest else {
      return ThreadBuffer(bytes: .allocate(byteCount: count, alignment: 4096), isOwned: true)
    }
    let memory: UnsafeMutableRawPointer
    if let known = pthread_getspecific(key) {
      memory = known
    } else {
      memory = .allocate(byteCount: Limits.maximumRequest, alignment: 4096)
      pthread_setspecific(key, memory)
    }
    return ThreadBuffer(bytes: UnsafeMutableRawBufferPointer(start: memory, count: count), isOwned: false)
  }

  func release() {
    if isOwned { bytes.deallocate() }
  }
}

private func freeBuffer(_ memory: UnsafeMutableRawPointer?) { memory?.deallocate() }
