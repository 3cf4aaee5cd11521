import AOFCompression
import AOFCore
import AOFFormat
import Foundation
import Testing

@testable import AOFRemote

@Suite struct RemoteChunkStoreTests {
  private let directory: TemporaryDirectory
  private let store: DirectoryStore
  private let chunks: RemoteChunkStore

  init() throws {
    directory = try TemporaryDirectory()
    store = try DirectoryStore(path: directory.path, create: false)
    chunks = RemoteChunkStore(store: store, crc32c: softwareCRC32C)
  }

  private func text(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var line = 0
    while bytes.count < count {
      bytes += Array("line \(line): nothing happened\n".utf8)
      line += 1
    }
    return Array(bytes.prefix(count))
  }

  /// Uploads `bytes` as chunk 0 from `first` on, in frames of `frameSize`.
  private func upload(_ bytes: [UInt8], at first: LSN = 0, frameSize: Int = 4096) throws -> UploadedObject {
    let spec = RemoteChunkSpec(
      log: LogID(rawValue: 9), chunk: ChunkID(rawValue: 0), range: first..<first + bytes.count,
      generation: .first, epoch: 1)
    let compressor = try FrameCompressor()
    var buffer: [UInt8] = []
    return try chunks.upload(spec) { writer throws(AofError) in
      for start in stride(from: 0, to: bytes.count, by: frameSize) {
        let content = Array(bytes[start..<min(start + frameSize, bytes.count)])
        buffer.removeAll(keepingCapacity: true)
        let crc = content.withUnsafeBytes { softwareCRC32C(0, $0) }
        _ = try content.withUnsafeBytes { content in
          Result { () throws(AofError) in try compressor.compress(content, appendingTo: &buffer) }
        }.get()
        let frame = ObjectInfo.Frame(
          start: first + start, length: UInt32(content.count), crc32c: crc,
          time: UnixTime(rawValue: Int64(start)))
        try buffer.withUnsafeBytes { buffer in
          Result { () throws(AofError) in try writer.write(buffer, frame) }
        }.get()
      }
    }
  }

  private func zstd(_ arguments: [String]) throws -> (status: Int32, output: [UInt8], errors: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["zstd"] + arguments
    let output = directory.child("zstd-output")
    let errors = directory.child("zstd-errors")
    for name in ["zstd-output", "zstd-errors"] { try directory.write([], to: name) }
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle(forWritingAtPath: errors)
    try process.run()
    process.waitUntilExit()
    return (
      process.terminationStatus, directory.read("zstd-output") ?? [],
      String(decoding: directory.read("zstd-errors") ?? [], as: UTF8.self)
    )
  }

  private func code(_ body: () throws -> Void) -> AofError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? AofError)?.code
    }
  }

  @Test(arguments: [1, 4096, 4097, 300_000]) func zstdPrintsTheLog(count: Int) throws {
    let bytes = text(count)
    let object = try upload(bytes)
    let path = directory.child(object.key.text)
    let decoded = try zstd(["-dc", path])
    #expect(decoded.status == 0)
    #expect(decoded.output == bytes)
    #expect(decoded.errors == "")
    #expect(try zstd(["-tq", path]).status == 0)
  }

  @Test func zstdPrintsObjectsInTheOrderOfTheirNames() throws {
    let bytes = text(50_000)
    for range in [20_000..<50_000, 0..<7, 7..<20_000] {
      _ = try upload(Array(bytes[range]), at: LSN(rawValue: UInt64(range.lowerBound)))
    }
    let paths = try chunks.objects(of: LogID(rawValue: 9)).map { directory.child($0.key.text) }
    #expect(paths.count == 3)
    #expect(try zstd(["-dc"] + paths).output == bytes)
  }

  @Test func zstdFindsDamage() throws {
    let object = try upload(text(300_000), frameSize: 131_072)
    var bytes = try #require(directory.read(object.key.text))
    bytes[bytes.count / 3] ^= 0x10
    try directory.write(bytes, to: object.key.text)
    #expect(try zstd(["-tq", directory.child(object.key.text)]).status != 0)
  }

  @Test func storedObjectsAreDescribed() throws {
    let bytes = text(10_000)
    let object = try upload(bytes)
    let stored = try #require(directory.read(object.key.text))
    #expect(object.size == UInt64(stored.count))
    #expect(object.crc32c == stored.withUnsafeBytes { softwareCRC32C(0, $0) })
    #expect(object.info.frames.map(\.length) == [4096, 4096, 1808])
    #expect(object.info.frames.map(\.time.rawValue) == [0, 4096, 8192])
    #expect(
      object.key.text.hasPrefix("chunks/9/0000000000000000/00000000000000000000-00000000000000010000-0-1-"))
    #expect(try chunks.objects(of: LogID(rawValue: 9)).map(\.key) == [object.key])
    #expect(try chunks.objects(of: LogID(rawValue: 8)).isEmpty)
  }

  @Test func singleFramesAreRead() throws {
    let bytes = text(10_000)
    let object = try upload(bytes)
    let decompressor = try FrameDecompressor()
    for (index, frame) in object.info.frames.enumerated() {
      let range = try #require(object.seekTable.byteRange(ofFrame: index))
      var compressed = [UInt8](repeating: 0, count: range.count)
      try compressed.withUnsafeMutableBytes { try chunks.read(object.key, at: range.lowerBound, into: $0) }
      var output = [UInt8](repeating: 0, count: Int(frame.length))
      try compressed.withUnsafeBytes { compressed in
        try output.withUnsafeMutableBytes { try decompressor.decompress(compressed, into: $0) }
      }
      #expect(output == Array(bytes[index * 4096..<min((index + 1) * 4096, bytes.count)]))
      #expect(output.withUnsafeBytes { softwareCRC32C(0, $0) } == frame.crc32c)
    }
  }

  @Test func trailersAreReadBack() throws {
    let object = try upload(text(10_000))
    let trailer = try chunks.readTrailer(object.key, size: object.size, frameCount: 3)
    #expect(trailer.info == object.info)
    #expect(trailer.seekTable == object.seekTable)
    for (size, count) in [(object.size, 2), (object.size, 4), (object.size - 1, 3), (10, 3), (.max, 3)]
      as [(UInt64, UInt32)]
    {
      #expect(code { _ = try chunks.readTrailer(object.key, size: size, frameCount: count) } == .corrupt)
    }
  }

  @Test func anObjectUnderAnothersNameIsCorrupt() throws {
    let object = try upload(text(100))
    let other = ObjectKey(
      log: LogID(rawValue: 10), chunk: object.key.chunk, range: object.key.range, generation: .first,
      epoch: 1,
      random: 1)
    try directory.write(directory.read(object.key.text) ?? [], to: other.text)
    #expect(code { _ = try chunks.readTrailer(other, size: object.size, frameCount: 1) } == .corrupt)
  }

  @Test func everyDamagedByteOfATrailerIsAnError() throws {
    let object = try upload(text(200), frameSize: 100)
    let good = try #require(directory.read(object.key.text))
    for index in Int(object.seekTable.dataSize)..<good.count {
      var damaged = good
      damaged[index] ^= 0x41
      try directory.write(damaged, to: object.key.text)
      let code = code { _ = try chunks.readTrailer(object.key, size: object.size, frameCount: 2) }
      // One changed byte changes the sum of the sizes; what keeps the sum is found by decoding.
      #expect(code == .corrupt, "byte \(index)")
    }
    for count in 0..<good.count {
      try directory.write(Array(good[..<count]), to: object.key.text)
      #expect(code { _ = try chunks.readTrailer(object.key, size: object.size, frameCount: 2) } == .corrupt)
    }
  }

  @Test func failedUploadsLeaveNothing() throws {
    let spec = RemoteChunkSpec(
      log: LogID(rawValue: 9), chunk: ChunkID(rawValue: 0), range: 0..<10, generation: .first, epoch: 1)
    #expect(
      code { _ = try chunks.upload(spec) { _ throws(AofError) in throw AofError(.interrupted, "stop") } }
        == .interrupted)
    // Frames that are not the range.
    #expect(code { _ = try chunks.upload(spec) { _ throws(AofError) in } } == .invalidArgument)
    #expect(try directory.contents() == [".tmp"])
  }

  @Test func missingObjectsAreFailuresOfTheRemote() throws {
    let object = try upload(text(100))
    try chunks.delete(object.key)
    try chunks.delete(object.key)
    var buffer = [UInt8](repeating: 0, count: 1)
    #expect(
      code { try buffer.withUnsafeMutableBytes { try chunks.read(object.key, at: 0, into: $0) } }
        == .remoteFailure)
  }

  @Test func manyObjectsAreListedPageByPage() throws {
    for start in 0..<1001 {
      let key = ObjectKey(
        log: LogID(rawValue: 3), chunk: ChunkID(rawValue: UInt64(start / 100)),
        range: LSN(rawValue: UInt64(start))..<LSN(rawValue: UInt64(start + 1)), generation: .first, epoch: 1,
        random: 5)
      try directory.write([1], to: key.text)
    }
    try directory.write([1], to: "chunks/3/0000000000000000/notes.txt")
    let found = try chunks.objects(of: LogID(rawValue: 3))
    #expect(found.map(\.key.range.lowerBound.rawValue) == Array(0..<1001))
  }
}
