import AOFCore
import Testing

@testable import AOFCompression

@Suite struct FrameTests {
  private func compress(_ bytes: [UInt8], level: Int32 = FrameCompressor.defaultLevel) throws -> [UInt8] {
    var frame: [UInt8] = []
    let count = try bytes.withUnsafeBytes {
      try FrameCompressor(level: level).compress($0, appendingTo: &frame)
    }
    #expect(count == frame.count)
    return frame
  }

  private func decompress(_ frame: [UInt8], count: Int) throws -> [UInt8] {
    let decompressor = try FrameDecompressor()
    var bytes = [UInt8](repeating: 0xAA, count: count)
    try frame.withUnsafeBytes { frame in
      try bytes.withUnsafeMutableBytes { try decompressor.decompress(frame, into: $0) }
    }
    return bytes
  }

  private func text(_ count: Int) -> [UInt8] {
    Array("127.0.0.1 - - GET /index.html 200\n".utf8).cycled(to: count)
  }

  @Test(arguments: [1, 2, 4095, 131_072, 1 << 20]) func roundTrip(count: Int) throws {
    let bytes = text(count)
    #expect(try decompress(compress(bytes), count: count) == bytes)
  }

  @Test func incompressibleBytesRoundTrip() throws {
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<131_072).map { _ in UInt8.random(in: 0...255, using: &generator) }
    #expect(try decompress(compress(bytes), count: bytes.count) == bytes)
  }

  @Test func framesFollowEachOtherInOneBuffer() throws {
    let compressor = try FrameCompressor()
    let decompressor = try FrameDecompressor()
    let inputs = [text(300), text(131_072), [7]]
    var buffer: [UInt8] = []
    var sizes: [Int] = []
    for input in inputs {
      sizes.append(try input.withUnsafeBytes { try compressor.compress($0, appendingTo: &buffer) })
    }
    #expect(sizes.reduce(0, +) == buffer.count)
    var offset = 0
    for (input, size) in zip(inputs, sizes) {
      var output = [UInt8](repeating: 0, count: input.count)
      try buffer[offset..<offset + size].withUnsafeBytes { frame in
        try output.withUnsafeMutableBytes { try decompressor.decompress(frame, into: $0) }
      }
      #expect(output == input)
      offset += size
    }
  }

  @Test func everyTruncationIsAnError() throws {
    let frame = try compress(text(1000))
    for count in 0..<frame.count {
      expectCorrupt { try decompress(Array(frame[..<count]), count: 1000) }
    }
  }

  @Test func everyFlippedBitIsAnErrorOrHarmless() throws {
    let bytes = text(1000)
    let frame = try compress(bytes)
    for index in frame.indices {
      for bit in 0..<8 {
        var damaged = frame
        damaged[index] ^= 1 << bit
        do {
          // Reserved and unused bits of the header change nothing; nothing else may pass.
          #expect(try decompress(damaged, count: 1000) == bytes, "byte \(index), bit \(bit)")
        } catch let error as AofError {
          #expect(error.code == .corrupt)
        }
      }
    }
  }

  @Test func sizesThatAreNotTheFramesAreErrors() throws {
    let frame = try compress(text(1000))
    for count in [1, 999, 1001, 1 << 20] { expectCorrupt { try decompress(frame, count: count) } }
  }

  @Test func whatFollowsTheFrameIsAnError() throws {
    let frame = try compress(text(500))
    expectCorrupt { try decompress(frame + [0], count: 500) }
    expectCorrupt { try decompress(frame + frame, count: 500) }
    expectCorrupt { try decompress(frame + frame, count: 1000) }
  }

  @Test func garbageIsAnError() throws {
    expectCorrupt { try decompress([], count: 10) }
    expectCorrupt { try decompress([UInt8](repeating: 0, count: 100), count: 10) }
    // A skippable frame is well-formed and holds nothing.
    expectCorrupt { try decompress([0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4], count: 4) }
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      var noise = (0..<Int.random(in: 0...64, using: &generator)).map { _ in UInt8.random(in: 0...255) }
      if Bool.random() { noise = [0x28, 0xB5, 0x2F, 0xFD] + noise }
      _ = try? decompress(noise, count: 64)
    }
  }

  @Test func emptyInputAndOutputAreRefused() throws {
    #expect(throws: AofError.self) { try compress([]) }
    let frame = try compress([1])
    #expect(throws: AofError.self) { try decompress(frame, count: 0) }
  }

  @Test func impossibleLevelsAreRefused() {
    for level: Int32 in [0, 23, .max, .min] {
      #expect(throws: AofError.self) { try FrameCompressor(level: level) }
    }
  }

  @Test func threadsMayShareOne() async throws {
    let compressor = try FrameCompressor()
    let decompressor = try FrameDecompressor()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for seed in 0..<8 {
        group.addTask {
          let bytes = [UInt8](repeating: UInt8(seed), count: 50_000 + seed)
          for _ in 0..<20 {
            var frame: [UInt8] = []
            _ = try bytes.withUnsafeBytes { try compressor.compress($0, appendingTo: &frame) }
            var output = [UInt8](repeating: 0xFF, count: bytes.count)
            try frame.withUnsafeBytes { frame in
              try output.withUnsafeMutableBytes { try decompressor.decompress(frame, into: $0) }
            }
            #expect(output == bytes)
          }
        }
      }
      try await group.waitForAll()
    }
  }

  private func expectCorrupt(
    _ body: () throws -> [UInt8], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    do {
      _ = try body()
      Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch {
      #expect((error as? AofError)?.code == .corrupt, sourceLocation: sourceLocation)
    }
  }
}

extension [UInt8] {
  fileprivate func cycled(to count: Int) -> [UInt8] { (0..<count).map { self[$0 % self.count] } }
}
