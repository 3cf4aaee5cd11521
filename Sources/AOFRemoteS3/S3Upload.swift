import AOFCore
import AOFRemote
import AOFSystem

/// An object on its way, in parts; one that fits into a single part is written with one request.
///
/// Full parts are sent by the store's threads while the next one is filled. Where the object becomes visible no part is
/// under way any more.
final class S3Upload: RemoteUpload {
  /// How many parts are in memory at most: one that is filled, and those that are sent.
  static let maximumBuffers = 3

  private let store: S3Store
  private let key: RemoteKey
  private var buffer: PartBuffer?
  private var size: UInt64 = 0
  /// Nil as long as everything fits into one part.
  private var parts: PartSender?
  private var isOver = false

  init(_ store: S3Store, _ key: RemoteKey) {
    self.store = store
    self.key = key
  }

  deinit { abandon() }

  func write(_ bytes: UnsafeRawBufferPointer) throws(AofError) {
    try checkOpen()
    var rest = bytes
    while !rest.isEmpty {
      // A full part waits for one more byte: an object of just one part needs no others.
      if let full = buffer, full.isFull {
        try partSender().send(full)
        buffer = nil
      }
      let current = buffer ?? parts?.takeBuffer() ?? PartBuffer(capacity: store.partSize)
      buffer = current
      rest = UnsafeRawBufferPointer(rebasing: rest[current.append(rest)...])
    }
    size += UInt64(bytes.count)
  }

  private func partSender() throws(AofError) -> PartSender {
    if let parts { return parts }
    let new = try PartSender(store, key)
    parts = new
    return new
  }

  func commit(_ condition: RemoteCondition) throws(AofError) -> RemoteOutcome {
    try checkOpen()
    defer { abandon() }
    guard let parts else {
      let outcome = try store.put(buffer?.bytes ?? UnsafeRawBufferPointer(start: nil, count: 0), as: key, condition)
      isOver = true
      return outcome
    }
    guard condition == .always else {
      throw AofError(.unsupported, "\(store)/\(key) is sent in pieces, and S3 knows no condition for those")
    }
    if let last = buffer {
      buffer = nil
      try parts.send(last)
    }
    try parts.complete(size: size)
    isOver = true
    return .created
  }

  func abandon() {
    guard !isOver else { return }
    isOver = true
    buffer = nil
    parts?.abort()
  }

  private func checkOpen() throws(AofError) {
    guard !isOver else { throw AofError(.invalidArgument, "the upload of \(key) is over") }
  }
}

/// Room for one part, which takes memory as it is filled.
final class PartBuffer: @unchecked Sendable {  // owned by the writer, then by the thread that sends it
  private let room: UnsafeMutableRawBufferPointer
  private var count = 0

  init(capacity: Int) { room = .allocate(byteCount: capacity, alignment: 64) }

  deinit { room.deallocate() }

  var isFull: Bool { count == room.count }
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: room[..<count]) }

  /// Returns how many bytes had room.
  func append(_ bytes: UnsafeRawBufferPointer) -> Int {
    let fitting = min(bytes.count, room.count - count)
    UnsafeMutableRawBufferPointer(rebasing: room[count...])
      .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<fitting]))
    count += fitting
    return fitting
  }

  func clear() { count = 0 }
}
