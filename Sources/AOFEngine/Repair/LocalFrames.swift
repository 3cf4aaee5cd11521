import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem

/// Frames of a log in the chunk files of a store that is not open.
struct LocalFrames {
  private let chunks: LocalChunkStore
  private let log: LogID
  private let chunkSize: ChunkSize

  init(_ chunks: LocalChunkStore, log: LogID, chunkSize: ChunkSize) {
    self.chunks = chunks
    self.log = log
    self.chunkSize = chunkSize
  }

  init(_ chunks: LocalChunkStore, _ log: AofDescriptorRecord) {
    self.init(chunks, log: log.id, chunkSize: log.chunkSize)
  }

  /// The bytes of a frame, as they are on the disk. - Throws: `corrupt` if the file is shorter or missing.
  func bytes(at lsn: LSN, _ frame: FrameRecord) throws(AofError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Int(frame.length))
    try bytes.withTypedMutableBytes { buffer throws(AofError) in
      try chunks.read(into: buffer, of: log, at: lsn, chunkSize: chunkSize)
    }
    return bytes
  }

  /// What there is of the bytes of one frame: fewer where the file ends, none without one.
  func present(at lsn: LSN, _ count: Int) throws(AofError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let offset = chunkSize.chunkOffset(for: lsn)
    var found = 0
    do throws(AofError) {
      let key = LocalChunkStore.Key(log: log, chunk: chunkSize.chunkID(for: lsn))
      try bytes.withTypedMutableBytes { buffer throws(AofError) in
        found = try chunks.withFile(key, creating: false) { file throws(AofError) in
          try file.file.read(into: buffer, at: offset)
        }
      }
    } catch where error.code == .notFound {
      return []
    }
    return Array(bytes.prefix(found))
  }

  /// What is wrong with the frame's bytes; nil if they match its checksum. - Throws: local failures.
  func fault(at lsn: LSN, _ frame: FrameRecord) throws(AofError) -> String? {
    do throws(AofError) {
      let sum = try bytes(at: lsn, frame).withTypedBytes { CRC32C.checksum($0) }
      return sum == frame.checksum ? nil : "the bytes on the disk do not match their checksum"
    } catch where error.code == .corrupt {
      return error.message
    }
  }
}

/// Lines about ranges of LSNs: neighbours of which the same is said become one.
struct RangeLines {
  private var ranges: [(range: Range<LSN>, text: String)] = []

  mutating func add(_ range: Range<LSN>, _ text: String) {
    if let last = ranges.last, last.range.upperBound == range.lowerBound, last.text == text {
      ranges[ranges.count - 1].range = last.range.lowerBound..<range.upperBound
    } else {
      ranges.append((range, text))
    }
  }

  var lines: [String] { ranges.map { "LSN \($0.range.lowerBound)..<\($0.range.upperBound): \($0.text)" } }
}
