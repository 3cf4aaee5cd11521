import AOFCore
import Testing

/// Relations between limits that code relies on without saying so.
@Suite struct LimitsTests {
  @Test func chunksAreWholeFrames() {
    for bytes in [Limits.minimumChunkSize, Limits.maximumChunkSize] {
      #expect(bytes.rawValue.nonzeroBitCount == 1)
      #expect(bytes.rawValue % UInt64(Limits.frameSize) == 0)
    }
    #expect(Limits.minimumChunkSize <= ChunkSize.standard.byteCount)
    #expect(ChunkSize.standard.byteCount <= Limits.maximumChunkSize)
    // Offsets within a chunk are Ints, frame lengths 32 bits.
    #expect(Limits.maximumChunkSize.rawValue <= UInt64(Int.max))
    #expect(Limits.frameSize > 0 && Limits.frameSize <= Int(UInt32.max))
  }

  @Test func appendsFit() {
    // What the kernel sends in one request is one append.
    #expect(Limits.maximumRequest <= Limits.maximumAppend)
    // A payload's length has 32 bits, as a segment's size has.
    #expect(Limits.maximumAppend <= Int(UInt32.max))
    #expect(Limits.walSegmentSize <= Int(UInt32.max))
    #expect(Limits.walSegmentSize % 4096 == 0)
  }

  @Test func commandsFitARequest() {
    // What the kernel cuts off of a longer one is longer, whatever its pages are.
    for pageSize in [4096, 16_384, 65_536] { #expect(Limits.maximumCommand < Limits.maximumRequest - (pageSize - 1)) }
    #expect(Limits.maximumCommand > 1 << 19)
  }

  @Test func theResidentTailHoldsWholeRequests() {
    // A READ that touches the tail page begins at most one request before it.
    #expect(Limits.residentTail >= Limits.maximumRequest + Limits.frameSize)
  }

  @Test func namesFitPaths() {
    #expect(Limits.nameLength < Limits.pathLength)
    #expect(LSN.max.rawValue == UInt64(Int64.max))
  }
}
