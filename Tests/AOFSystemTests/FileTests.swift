import AOFCore
import AOFSystem
import Glibc
import Testing

@Suite struct FileTests {
  let directory: TemporaryDirectory
  let file: File

  init() throws {
    directory = try TemporaryDirectory()
    file = try SystemDisk().open(directory.child("file"), .createNew)
  }

  @Test func readsEndWhereTheFileEnds() throws {
    try file.write([1, 2, 3, 4, 5], at: 0)
    var buffer = [UInt8](repeating: 0xEE, count: 8)
    func read(at offset: Int) throws(AofError) -> Int {
      try buffer.withTypedMutableBytes { buffer throws(AofError) in try file.read(into: buffer, at: offset) }
    }
    #expect(try read(at: 2) == 3)
    #expect(buffer == [3, 4, 5, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE])
    #expect(try read(at: 5) == 0)
    #expect(try read(at: 1 << 40) == 0)
    #expect(code { () throws(AofError) in _ = try read(at: -1) } == .system(errno: EINVAL))
    #expect(try file.read(into: UnsafeMutableRawBufferPointer(start: nil, count: 0), at: 0) == 0)
  }

  @Test func writesLeaveHolesOfZeros() throws {
    try file.write([9], at: 3)
    try file.write([], at: 100)
    #expect(try file.contents() == [0, 0, 0, 9])
    try file.syncData()
    try file.truncate(2)
    #expect(try file.contents() == [0, 0])
  }

  /// One call of the system takes 1024 pieces.
  @Test(arguments: [0, 1, 2, 1023, 1024, 1025, 2048, 3001])
  func writesManyPieces(_ count: Int) throws {
    // Every third piece is empty, and so are whole batches at the end.
    let lengths = (0..<count).map { $0 % 3 == 1 || $0 > 2500 ? 0 : $0 % 7 }
    let bytes = lengths.enumerated().flatMap { index, length in
      [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: length)
    }
    try write(bytes, inPieces: lengths, at: 11)
    #expect(try file.contents() == (bytes.isEmpty ? [] : [UInt8](repeating: 0, count: 11) + bytes))
  }

  @Test func writesOnlyEmptyPieces() throws {
    try write([], inPieces: [Int](repeating: 0, count: 2000), at: 0)
    #expect(try file.size() == 0)
  }

  private func write(_ bytes: [UInt8], inPieces lengths: [Int], at offset: Int) throws(AofError) {
    var bytes = bytes
    try bytes.withTypedMutableBytes { buffer throws(AofError) in
      var pieces: [iovec] = []
      var position = 0
      for length in lengths {
        pieces.append(iovec(iov_base: buffer.baseAddress.map { $0 + position }, iov_len: length))
        position += length
      }
      try pieces.withTypedMutableBuffer { pieces throws(AofError) in try file.write(pieces: pieces, at: offset) }
    }
  }

  @Test func failuresSayWhat() throws {
    let reader = try SystemDisk().open(directory.child("file"), .read)
    do {
      try reader.write([1], at: 0)
      Issue.record("a file that is open for reading was written")
    } catch {
      #expect(error.code == .system(errno: EBADF))
      #expect(error.message.contains(directory.child("file")))
    }
    #expect(code { () throws(AofError) in try reader.truncate(0) } != nil)
  }

  @Test func reservesSpace() throws {
    try file.write([7], at: 0)
    try file.allocate(1 << 20)
    #expect(try file.size() == 1 << 20)
    #expect(try file.allocatedSize() >= 1 << 20)
    #expect(try file.contents().prefix(2) == [7, 0])
    // Less than there is changes nothing.
    try file.allocate(4096)
    #expect(try file.size() == 1 << 20)
  }

  @Test func punchesHoles() throws {
    let size = 256 << 10
    try file.write([UInt8](repeating: 5, count: size), at: 0)
    try file.syncData()
    let before = try file.allocatedSize()
    try file.punchHole(64 << 10..<128 << 10)
    try file.punchHole(10..<10)
    #expect(try file.size() == size)
    #expect(try file.allocatedSize() <= before - (64 << 10))
    let bytes = try file.contents()
    #expect(bytes[64 << 10..<128 << 10].allSatisfy { $0 == 0 })
    #expect(bytes[..<(64 << 10)].allSatisfy { $0 == 5 } && bytes[(128 << 10)...].allSatisfy { $0 == 5 })
  }

  @Test func oneOpenFileHoldsTheLock() throws {
    var other: File? = try SystemDisk().open(directory.child("file"), .readWrite)
    #expect(try file.tryLockExclusively())
    #expect(try file.tryLockExclusively(), "the holder may ask again")
    #expect(try other?.tryLockExclusively() == false)
    try file.unlock()
    #expect(try other?.tryLockExclusively() == true)
    #expect(try !file.tryLockExclusively())
    other = nil
    #expect(try file.tryLockExclusively(), "closing lets go")
  }

  @Test func knowsWhatItIs() throws {
    #expect(try file.regularSize() == 0)
    #expect(try SystemDisk().open("/dev/null", .read).regularSize() == nil)
    #expect(try file.hasName())
    try SystemDisk().remove(directory.child("file"))
    #expect(try !file.hasName())
  }
}
