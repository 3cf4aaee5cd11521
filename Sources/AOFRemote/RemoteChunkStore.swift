import AOFCore
import AOFFormat

/// What an object is to hold, and who writes it.
public struct RemoteChunkSpec: Hashable, Sendable {
  public let log: LogID
  public let chunk: ChunkID
  /// Lies within the chunk.
  public let range: Range<LSN>
  public let generation: Generation
  /// The epoch of the writer, from 1.
  public let epoch: UInt64

  public init(log: LogID, chunk: ChunkID, range: Range<LSN>, generation: Generation, epoch: UInt64) {
    self.log = log
    self.chunk = chunk
    self.range = range
    self.generation = generation
    self.epoch = epoch
  }
}

/// An object that is in the remote, with what the manifests keep of it.
package struct UploadedObject: Hashable, Sendable {
  package let key: ObjectKey
  /// Bytes.
  package let size: UInt64
  /// Of the whole object.
  package let crc32c: UInt32
  package let info: ObjectInfo
  package let seekTable: SeekTable
}

/// The chunks of a store's logs in a remote: names objects, lays them out as docs/format/chunk.md
/// describes, and reads single frames of them. Every call blocks on the remote.
public final class RemoteChunkStore: Sendable {
  private let store: any RemoteStore
  private let crc32c: CRC32CFunction
  private let random: @Sendable () -> UInt64

  /// - Parameters:
  ///   - crc32c: continues a CRC32C over more bytes.
  ///   - random: draws the part of an object's name that makes it unique.
  package init(
    store: any RemoteStore, crc32c: @escaping CRC32CFunction,
    random: @escaping @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }
  ) {
    self.store = store
    self.crc32c = crc32c
    self.random = random
  }

  /// As ``RemoteStore/cancel()``.
  package func cancel() { store.cancel() }

  /// Uploads one object, frame by frame; holds no more of it in memory than the store's upload does.
  ///
  /// `body` hands the frames to the writer, in order, and together the whole range of `spec`. What it
  /// throws abandons the upload and is thrown on. To repeat a failed upload is safe: it takes a new name.
  /// - Throws: `invalidArgument` if the frames are not the range; what the store throws.
  package func upload(
    _ spec: RemoteChunkSpec, _ body: (RemoteObjectWriter) throws(AofError) -> Void
  ) throws(AofError) -> UploadedObject {
    let key = ObjectKey(
      log: spec.log, chunk: spec.chunk, range: spec.range, generation: spec.generation, epoch: spec.epoch,
      random: random())
    let upload = try store.beginUpload(RemoteKey(key.text))
    let writer = RemoteObjectWriter(upload, crc32c)
    do throws(AofError) {
      try body(writer)
      let object = try writer.finish(key)
      guard try upload.commit(.always) == .created else {
        throw AofError(.remoteFailure, "\(store): \(key) exists, though its name was drawn just now")
      }
      return object
    } catch {
      upload.abandon()
      throw error
    }
  }

  /// Fills `buffer` with the bytes of the object from `offset` on, with one request: a whole compressed
  /// frame, or several that follow each other.
  ///
  /// - Throws: `corrupt` if the object is shorter; `remoteFailure`, also if the object is gone.
  package func read(_ key: ObjectKey, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
    throws(AofError)
  {
    do {
      try store.read(RemoteKey(key.text), at: offset, into: buffer)
    } catch {
      // "No such file" would be a wrong answer to the reader of a log, which does exist.
      guard error.code == .notFound else { throw error }
      throw AofError(.remoteFailure, "an object that the manifest names is gone", cause: error)
    }
  }

  /// What an object says about its frames, with one request; for a store that is rebuilt from the remote.
  ///
  /// - Parameters:
  ///   - size: of the object, in bytes, as the remote manifest has it.
  ///   - frameCount: as the remote manifest has it.
  /// - Throws: `corrupt` if the object is not the one of that name, size and number of frames;
  ///   `newerVersion`; `remoteFailure`.
  package func readTrailer(_ key: ObjectKey, size: UInt64, frameCount: UInt32)
    throws(AofError) -> (info: ObjectInfo, seekTable: SeekTable)
  {
    let count = RemoteFormat.trailerSize(frameCount: frameCount)
    guard UInt64(count) < size else {
      throw AofError(.corrupt, "\(key) cannot have \(frameCount) frames in \(size) bytes")
    }
    var trailer = [UInt8](repeating: 0, count: count)
    let result = trailer.withUnsafeMutableBytes { buffer in
      Result { () throws(AofError) in try read(key, at: size - UInt64(count), into: buffer) }
    }
    try result.get()
    return try trailer.withUnsafeBytes { buffer in
      Result { () throws(AofError) in try Self.decode(trailer: buffer, key, size: size, crc32c) }
    }.get()
  }

  private static func decode(
    trailer: UnsafeRawBufferPointer, _ key: ObjectKey, size: UInt64, _ crc32c: CRC32CFunction
  ) throws(AofError) -> (info: ObjectInfo, seekTable: SeekTable) {
    let seekTable = try SeekTable(tail: trailer)
    let tableSize = try SeekTable.encodedSize(fromTail: trailer)
    guard seekTable.objectSize == size, tableSize < trailer.count else {
      throw AofError(.corrupt, "\(key) is damaged: its frames do not add up to \(size) bytes")
    }
    let info = try ObjectInfo(
      frame: UnsafeRawBufferPointer(rebasing: trailer[..<(trailer.count - tableSize)]), crc32c: crc32c)
    guard info.log == key.log, info.chunk == key.chunk, info.range == key.range,
      info.generation == key.generation
    else { throw AofError(.corrupt, "\(key) is damaged: it holds another extent than its name says") }
    guard info.frames.map(\.length) == seekTable.entries.map(\.decompressedSize) else {
      throw AofError(.corrupt, "\(key) is damaged: info frame and seek table disagree")
    }
    return (info, seekTable)
  }

  /// The objects of a log, by chunk and first LSN. Files whose names are not those of objects are passed
  /// over.
  package func objects(of log: LogID) throws(AofError) -> [(key: ObjectKey, size: UInt64)] {
    let directory = try RemoteKey(ObjectKey.directory(of: log))
    let pageSize = 1000
    var found: [(key: ObjectKey, size: UInt64)] = []
    var last: RemoteKey?
    while true {
      let page = try store.list(directory, after: last, limit: pageSize)
      for object in page {
        if let key = try? ObjectKey(parsing: object.key.text) { found.append((key, object.size)) }
      }
      guard page.count == pageSize else { return found }
      last = page.last?.key
    }
  }

  /// Deletes an object, after the manifest that dropped it is durable. One that is gone is no error.
  package func delete(_ key: ObjectKey) throws(AofError) { try store.delete(RemoteKey(key.text)) }
}

/// Takes the frames of an object that is being uploaded. Lives as long as the closure that it is handed to.
package final class RemoteObjectWriter {
  private let upload: any RemoteUpload
  private let crc32c: CRC32CFunction
  private var frames: [ObjectInfo.Frame] = []
  private var seekTable = SeekTable()
  private var crc: UInt32 = 0

  fileprivate init(_ upload: any RemoteUpload, _ crc32c: @escaping CRC32CFunction) {
    self.upload = upload
    self.crc32c = crc32c
  }

  /// Appends one compressed frame, which holds the bytes that `frame` describes. Blocks on the remote.
  package func write(_ compressed: UnsafeRawBufferPointer, _ frame: ObjectInfo.Frame) throws(AofError) {
    guard let size = UInt32(exactly: compressed.count), size > 0 else {
      throw AofError(.invalidArgument, "a compressed frame of \(compressed.count) bytes is not possible")
    }
    try append(compressed)
    frames.append(frame)
    seekTable.entries.append(.init(compressedSize: size, decompressedSize: frame.length))
  }

  private func append(_ bytes: UnsafeRawBufferPointer) throws(AofError) {
    crc = crc32c(crc, bytes)
    try upload.write(bytes)
  }

  /// Appends info frame and seek table.
  fileprivate func finish(_ key: ObjectKey) throws(AofError) -> UploadedObject {
    let info = try ObjectInfo(
      log: key.log, chunk: key.chunk, generation: key.generation, range: key.range, frames: frames)
    var trailer: [UInt8] = []
    info.encode(into: &trailer, crc32c: crc32c)
    seekTable.encode(into: &trailer)
    try trailer.withUnsafeBytes { bytes in Result { () throws(AofError) in try append(bytes) } }.get()
    return UploadedObject(key: key, size: seekTable.objectSize, crc32c: crc, info: info, seekTable: seekTable)
  }
}
