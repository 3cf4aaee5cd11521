import AOFCore
import AOFEngine
import AOFFormat
import AOFSystem

/// A WAL segment: header, frames, and the scan of what lies between. The first byte of an input says what the rest is:
/// a segment file as it is, one whose header gets a sound checksum, or the script of one with sound frames.
enum WalSegmentTarget {
  static func run(_ input: [UInt8]) throws(Finding) {
    var source = ByteSource(input)
    switch source.number(UInt8.self) % 3 {
    case 0: try scan(Array(source.rest))
    case 1: try scan(repaired(Array(source.rest)))
    default: try scanScript(&source)
    }
  }

  static var seeds: [[UInt8]] {
    var script: [UInt8] = [2]
    for number in 1...6 { script += Array(repeating: UInt8(number), count: 40) }
    let segment = Script.example.segment
    return [script, [0] + segment, [1] + segment, [1] + Array(segment.prefix(4300)), [0]]
  }

  // MARK: Arbitrary bytes

  private static func repaired(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    let place = WALFormat.segmentHeaderLength - 4
    bytes.replace(at: 0, with: WALFormat.segmentMagic)
    bytes.replace(at: 8, with: WALFormat.version)
    let checksum = Array(bytes.prefix(place)).withUnsafeBytes { CRC32C.checksum($0) }
    bytes.replace(at: place, with: checksum)
    return bytes
  }

  private static func scan(_ bytes: [UInt8]) throws(Finding) {
    let header = try decoded(codes: [.corrupt, .newerVersion]) { () throws(AofError) in
      try bytes.withTypedBytes { bytes throws(AofError) in try WALSegmentHeader(decoding: bytes, path: "segment") }
    }
    guard let header else { return }
    try promise(roundTrip(header) == header, "a header that was read is written otherwise")
    _ = try frames(of: bytes, header)
  }

  private static func roundTrip(_ header: WALSegmentHeader) -> WALSegmentHeader? {
    var block = [UInt8](repeating: 0xAA, count: WALFormat.segmentHeaderSize)
    block.withUnsafeMutableBytes { header.encode(into: $0) }
    return try? block.withUnsafeBytes { try WALSegmentHeader(decoding: $0, path: "segment") }
  }

  /// Reads every frame, as a recovery does, behind whatever damage.
  private static func frames(of bytes: [UInt8], _ header: WALSegmentHeader) throws(Finding) -> [WALFrameHeader] {
    let result: Result<[WALFrameHeader], Finding> = bytes.withUnsafeBytes { bytes in
      do throws(Finding) { return .success(try frames(of: bytes, header)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  private static func frames(
    of bytes: UnsafeRawBufferPointer, _ header: WALSegmentHeader
  ) throws(Finding) -> [WALFrameHeader] {
    var scanner = SegmentScanner(header: header, bytes: bytes)
    var found: [WALFrameHeader] = []
    var last = scanner.position
    try promise(last == header.base, "a scan does not begin at the segment's base")
    repeat {
      while let frame = scanner.next() {
        try promise(frame.position >= last, "a frame at \(frame.position) before \(last)")
        try promise((frame.position - header.base) % WALFormat.frameAlignment == 0, "a frame off its grid")
        try promise(frame.end == scanner.position, "the scan does not go on where the frame ends")
        try promise(
          frame.end - frame.position == WALFormat.frameSize(body: frame.body.count),
          "a frame of \(frame.body.count) bytes from \(frame.position) to \(frame.end)")
        try promise(frame.body.count == frame.header.bodyLength && !frame.body.isEmpty, "a body of another length")
        try promise(frame.header.range.upperBound <= .max, "a frame past the largest LSN")
        try promise(CRC32C.checksum(frame.body) == frame.header.bodyChecksum, "a body unlike its checksum")
        last = frame.end
        found.append(frame.header)
        try promise(found.count <= bytes.count / WALFormat.frameHeaderSize, "more frames than there is room for")
      }
    } while scanner.skipToNextFrame()
    return found
  }

  // MARK: Sound frames, and damage

  private static func scanScript(_ source: inout ByteSource) throws(Finding) {
    let script = Script(&source)
    try promise(
      try frames(of: script.segment, script.header) == script.frames, "the frames that were written are not those read")
    var damaged = script.segment
    let place = WALFormat.segmentHeaderSize + source.number(in: 0...max(0, script.end - WALFormat.segmentHeaderSize - 1))
    guard place < script.end else { return }
    damaged[place] ^= UInt8(1) << (source.number(UInt8.self) & 7)
    let left = try frames(of: damaged, script.header)
    try promise(
      left.allSatisfy(script.frames.contains) && left.count >= script.frames.count - 1,
      "one damaged byte made \(left.count) frames of \(script.frames.count)")
  }

  /// A segment with a few sound frames.
  private struct Script {
    let header: WALSegmentHeader
    private(set) var segment: [UInt8]
    private(set) var frames: [WALFrameHeader] = []
    /// Where the frames end.
    var end: Int { segment.count }

    static var example: Script {
      var source = ByteSource((0..<200).map { UInt8(truncatingIfNeeded: $0 * 7) })
      return Script(&source)
    }

    init(_ source: inout ByteSource) {
      header = WALSegmentHeader(
        storeID: StoreID(high: source.number(), low: source.number()), sequence: source.number(),
        base: WalPosition(rawValue: source.number(UInt64.self) & 0xFFFF_FFFF_FFFF), nonce: source.number(),
        size: 1 << 24, created: UnixTime(rawValue: source.number()))
      segment = [UInt8](repeating: 0, count: WALFormat.segmentHeaderSize)
      let header = header
      segment.withUnsafeMutableBytes { header.encode(into: $0) }
      for _ in 0..<source.number(in: 1...6) { add(&source) }
    }

    private mutating func add(_ source: inout ByteSource) {
      let isInline = source.bool()
      let content = source.bytes(source.number(in: 1...300)) + [source.number(UInt8.self)]
      let lsn = LSN(rawValue: source.number(UInt64.self) >> 2)
      var frame = WALFrameHeader(
        kind: isInline ? .inline : .indirect, logID: LogID(rawValue: source.number()),
        generation: Generation(rawValue: source.number()), lsn: lsn,
        length: isInline ? UInt32(content.count) : UInt32(source.number(in: 1...Limits.maximumAppend)),
        time: UnixTime(rawValue: source.number()), durableMark: WalPosition(rawValue: source.number()),
        durableLSN: min(lsn, LSN(rawValue: source.number())), bodyChecksum: 0)
      let body = isInline ? content : (0..<frame.bodyLength).map { content[$0 % content.count] }
      frame.bodyChecksum = body.withUnsafeBytes { CRC32C.checksum($0) }
      var bytes = [UInt8](repeating: 0, count: WALFormat.frameSize(body: body.count))
      bytes.withUnsafeMutableBytes { frame.encode(into: $0, nonce: header.nonce) }
      bytes.replaceSubrange(WALFormat.frameHeaderSize..<(WALFormat.frameHeaderSize + body.count), with: body)
      segment += bytes
      frames.append(frame)
    }
  }
}
