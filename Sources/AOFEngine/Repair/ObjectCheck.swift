import AOFCompression
import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// Reads an object from its start to its end, once, and compares it with what a manifest says of it: its size, its
/// checksum, its trailer, and the content of each frame.
struct ObjectCheck {
  private let chunks: RemoteChunkStore

  init(_ chunks: RemoteChunkStore) { self.chunks = chunks }

  /// - Throws: `corrupt` if anything differs; `remoteFailure`, also if the object is gone.
  func check(_ object: StoredObject, _ frames: [FrameRecord]) throws(AofError) {
    let key = try ObjectKey(parsing: object.key)
    guard object.frameLengths.count == frames.count else {
      throw AofError(.corrupt, "it has \(object.frameLengths.count) frames, and its extent has \(frames.count)")
    }
    let decompressor = try FrameDecompressor()
    var offset: UInt64 = 0
    var checksum: UInt32 = 0
    var lsn = key.range.lowerBound
    for (frame, length) in zip(frames, object.frameLengths) {
      var compressed = [UInt8](repeating: 0, count: Int(length))
      try compressed.withTypedMutableBytes { bytes throws(AofError) in try chunks.read(key, at: offset, into: bytes) }
      var plain = [UInt8](repeating: 0, count: Int(frame.length))
      try compressed.withTypedBytes { compressed throws(AofError) in
        checksum = CRC32C.checksum(compressed, continuing: checksum)
        try plain.withTypedMutableBytes { plain throws(AofError) in
          try decompressor.decompress(compressed, into: plain)
        }
      }
      guard plain.withUnsafeBytes({ CRC32C.checksum($0) }) == frame.checksum else {
        throw AofError(.corrupt, "the frame of LSN \(lsn) does not match its checksum")
      }
      offset += UInt64(length)
      lsn = lsn + plain.count
    }
    try checkTrailer(object, key, from: offset, checksum)
  }

  /// As ``check(_:_:)``, for an object that only the remote manifest knows: its own trailer says where its frames are.
  func check(_ extent: RemoteExtentRecord) throws(AofError) {
    let (object, frames) = try describe(extent)
    try check(object, frames)
  }

  /// What an object's trailer says, in the words of the manifest. One request.
  /// - Throws: `corrupt`, `newerVersion`, `remoteFailure`.
  func describe(_ extent: RemoteExtentRecord) throws(AofError) -> (StoredObject, [FrameRecord]) {
    let (info, seekTable) = try chunks.readTrailer(
      extent.key, size: extent.objectSize, frameCount: extent.frameCount)
    let object = StoredObject(
      key: extent.key.text, size: extent.objectSize, checksum: extent.objectCRC32C,
      frameLengths: seekTable.entries.map(\.compressedSize))
    return (object, info.frames.map { FrameRecord(length: $0.length, checksum: $0.crc32c, time: $0.time) })
  }

  /// The bytes of one frame, which match its checksum.
  /// - Throws: `corrupt`; `remoteFailure`, also if the object is gone.
  func content(of object: StoredObject, _ frame: FrameRecord, _ index: Int) throws(AofError) -> [UInt8] {
    guard object.frameLengths.indices.contains(index) else {
      throw AofError(.corrupt, "\(object.key) has fewer frames than its extent")
    }
    let offset = object.frameLengths[..<index].reduce(0) { $0 + UInt64($1) }
    var compressed = [UInt8](repeating: 0, count: Int(object.frameLengths[index]))
    let key = try ObjectKey(parsing: object.key)
    try compressed.withTypedMutableBytes { bytes throws(AofError) in try chunks.read(key, at: offset, into: bytes) }
    var plain = [UInt8](repeating: 0, count: Int(frame.length))
    let decompressor = try FrameDecompressor()
    try compressed.withTypedBytes { compressed throws(AofError) in
      try plain.withTypedMutableBytes { plain throws(AofError) in try decompressor.decompress(compressed, into: plain) }
    }
    guard plain.withUnsafeBytes({ CRC32C.checksum($0) }) == frame.checksum else {
      throw AofError(.corrupt, "the remote's bytes do not match their checksum either")
    }
    return plain
  }

  private func checkTrailer(
    _ object: StoredObject, _ key: ObjectKey, from offset: UInt64, _ checksum: UInt32
  ) throws(AofError) {
    guard object.size > offset, object.size - offset < 1 << 30 else {
      throw AofError(.corrupt, "its frames do not fit its size of \(object.size) bytes")
    }
    var trailer = [UInt8](repeating: 0, count: Int(object.size - offset))
    try trailer.withTypedMutableBytes { bytes throws(AofError) in try chunks.read(key, at: offset, into: bytes) }
    guard trailer.withUnsafeBytes({ CRC32C.checksum($0, continuing: checksum) }) == object.checksum else {
      throw AofError(.corrupt, "it does not match its checksum")
    }
    _ = try chunks.readTrailer(
      key, size: object.size, frameCount: UInt32(truncatingIfNeeded: object.frameLengths.count))
  }
}
