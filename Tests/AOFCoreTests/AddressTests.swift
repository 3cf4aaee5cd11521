import AOFCore
import Testing

@Suite("LSNs and chunks") struct AddressTests {
  static let sizes = (17...32).map { ByteCount(rawValue: 1 << UInt64($0)) }

  @Test(arguments: sizes)
  func chunkArithmetic(_ bytes: ByteCount) throws {
    let size = try ChunkSize(bytes)
    #expect(size.byteCount == bytes)
    let length = bytes.rawValue
    let largest = LSN.max.rawValue
    for raw in [0, 1, length - 1, length, length + 1, 7 * length, largest - length, largest - 1, largest] {
      let lsn = LSN(rawValue: raw)
      let chunk = size.chunkID(for: lsn)
      #expect(chunk.rawValue == raw / length)
      #expect(chunk != .tail)
      #expect(size.chunkOffset(for: lsn) == Int(raw % length))
      #expect(size.chunkStart(chunk).rawValue == raw - raw % length)
      #expect(size.chunkEnd(chunk).rawValue == raw - raw % length + length)
      #expect(size.chunkStart(chunk) <= lsn && lsn < size.chunkEnd(chunk))
    }
    // The chunk of the largest LSN ends one past it, which is no LSN but still a number.
    #expect(size.chunkEnd(size.chunkID(for: .max)).rawValue == 1 << 63)
  }

  @Test(arguments: [
    0, 1, 65_536, 131_071, 131_073, 196_608, 1 << 33, (1 << 32) + 1, UInt64.max, 1 << 63,
  ] as [UInt64])
  func impossibleChunkSizes(_ bytes: UInt64) {
    #expect(
      code { () throws(AofError) in _ = try ChunkSize(ByteCount(rawValue: bytes)) } == .invalidArgument)
  }

  @Test func namedChunkSizes() throws {
    #expect(ChunkSize.standard.byteCount == .mebibytes(64))
    #expect(ChunkSize.minimum.byteCount == Limits.minimumChunkSize)
    #expect(try ChunkSize(.gibibytes(4)).description == "4GiB")
  }

  @Test(arguments: sizes)
  func spansCoverARangeOnce(_ bytes: ByteCount) throws {
    let size = try ChunkSize(bytes)
    let length = bytes.rawValue
    for start in [0, 5, length - 1, LSN.max.rawValue - 3 * length] {
      let range = LSN(rawValue: start)..<LSN(rawValue: start + 2 * length + 3)
      var position = range.lowerBound
      var spans = 0
      while position < range.upperBound {
        let span = size.firstSpan(of: position..<range.upperBound)
        #expect(span.lowerBound == position && !span.isEmpty)
        #expect(size.chunkID(for: span.lowerBound) == size.chunkID(for: LSN(rawValue: span.upperBound.rawValue - 1)))
        position = span.upperBound
        spans += 1
      }
      #expect(position == range.upperBound)
      #expect(UInt64(spans) == (start % length + 2 * length + 3 + length - 1) / length)
    }
    #expect(size.firstSpan(of: LSN.max..<LSN.max).isEmpty)
  }

  @Test func advancing() {
    #expect(LSN.zero.advanced(byAtMost: 0) == .zero)
    #expect(LSN.zero.advanced(byAtMost: .max) == .max)
    #expect(LSN.max.advanced(byAtMost: 0) == .max)
    #expect(LSN.max.advanced(byAtMost: 1) == nil)
    #expect(LSN(rawValue: 1).advanced(byAtMost: .max) == nil)
    #expect(LSN.max.advanced(byAtMost: .max) == nil)
    #expect(LSN(rawValue: .max).advanced(byAtMost: 1) == nil)
    #expect(LSN(rawValue: 9).advanced(byAtMost: -1) == nil)
    #expect(LSN(rawValue: 9).advanced(byAtMost: .min) == nil)
    #expect(LSN.max - LSN.zero == .max)
    #expect((LSN(rawValue: 3)..<LSN(rawValue: 10)).byteCount == 7)
  }

  @Test func generationsEnd() {
    #expect(Generation.first.next == Generation(rawValue: 1))
    #expect(Generation(rawValue: .max).next == nil)
    #expect(ChunkID.tail.description == "tail")
    #expect(ChunkID(rawValue: 3) < .tail)
  }
}

