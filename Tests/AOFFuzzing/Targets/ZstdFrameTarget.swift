import AOFCompression
import AOFCore

/// A compressed frame and the length that a seek table claims for it. The first bytes of an input are the claim.
enum ZstdFrameTarget {
  /// The most that a claim makes us allocate here.
  private static let longest = 1 << 17

  static func run(_ input: [UInt8]) throws(Finding) {
    var source = ByteSource(input)
    let claim = source.number(in: 0...longest)
    let frame = Array(source.rest)
    let content = try decompress(frame, claim)
    if let content {
      try promise(content.count == claim, "a content of \(content.count) bytes for a claim of \(claim)")
      for wrong in [claim - 1, claim + 1, claim / 2, longest] where wrong != claim {
        try promise(try decompress(frame, wrong) == nil, "a frame of \(claim) bytes passes for \(wrong)")
      }
    }
    guard !frame.isEmpty, let compressed = compress(frame) else { return }
    try promise(try decompress(compressed, frame.count) == frame, "what was compressed is decompressed otherwise")
    try promise(try decompress(compressed + [0], frame.count) == nil, "bytes after a frame pass")
    try promise(try decompress(Array(compressed.dropLast()), frame.count) == nil, "a cut frame passes")
    var damaged = compressed
    damaged[claim % damaged.count] ^= UInt8(1) << UInt8(claim & 7)
    if let other = try decompress(damaged, frame.count) {
      try promise(other == frame, "a damaged frame passes, with another content")
    }
  }

  private static func compress(_ bytes: [UInt8]) -> [UInt8]? {
    var output: [UInt8] = []
    let count = bytes.withUnsafeBytes { try? FrameCompressor(level: 1).compress($0, appendingTo: &output) }
    return count == output.count ? output : nil
  }

  private static func decompress(_ frame: [UInt8], _ count: Int) throws(Finding) -> [UInt8]? {
    try decoded(codes: count > 0 ? [.corrupt] : [.invalidArgument]) { () throws(AofError) in
      let decompressor = try FrameDecompressor()
      var content = [UInt8](repeating: 0, count: max(0, count))
      try frame.withTypedBytes { frame throws(AofError) in
        try content.withTypedMutableBytes { content throws(AofError) in
          try decompressor.decompress(frame, into: content)
        }
      }
      return content
    }
  }

  static var seeds: [[UInt8]] {
    let text = Array(String(repeating: "a line of a log\n", count: 20).utf8)
    let frame = compress(text) ?? []
    return [UInt32(text.count), UInt32(text.count + 1), 0].map { claim in
      var input: [UInt8] = []
      input.append(number: claim)
      return input + frame
    }
  }
}
