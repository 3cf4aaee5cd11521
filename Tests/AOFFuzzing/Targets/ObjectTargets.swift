import AOFCore
import AOFFormat
import AOFSystem

private let crc32c: CRC32CFunction = { CRC32C.checksum($1, continuing: $0) }

/// The info frame of an object. A frame whose checksum is the only thing wrong gets a sound one, or no input would
/// come past it.
enum ObjectInfoTarget {
  static func run(_ input: [UInt8]) throws(Finding) {
    try decode(input)
    var sound = input
    let end = sound.count - 4
    if end > 0 {
      sound.replace(at: 4, with: UInt32(truncatingIfNeeded: sound.count - 8))
      sound.replace(at: end, with: Array(sound[..<end]).withUnsafeBytes { CRC32C.checksum($0) })
    }
    try decode(sound)
    try build(input)
  }

  private static func decode(_ bytes: [UInt8]) throws(Finding) {
    let info = try decoded(codes: [.corrupt, .newerVersion]) { () throws(AofError) in
      try bytes.withTypedBytes { bytes throws(AofError) in try ObjectInfo(frame: bytes, crc32c: crc32c) }
    }
    guard let info else { return }
    var written: [UInt8] = []
    info.encode(into: &written, crc32c: crc32c)
    try promise(written == bytes, "an info frame that was read is written otherwise")
    try promise(
      info.frames.reduce(0) { $0 + Int($1.length) } == info.range.byteCount, "frames that are not the whole range")
    try promise(info.range.upperBound <= .max, "a range past the largest LSN")
  }

  private static func build(_ input: [UInt8]) throws(Finding) {
    var source = ByteSource(input)
    let first = LSN(rawValue: source.number(UInt64.self) >> 1)
    var end = first
    var frames: [ObjectInfo.Frame] = []
    for _ in 0..<source.number(in: 0...9) {
      let length = source.number(in: 0...(RemoteFormat.maximumFrameLength + 1))
      frames.append(
        ObjectInfo.Frame(
          start: end, length: UInt32(length), crc32c: source.number(), time: UnixTime(rawValue: source.number())))
      guard let next = end.advanced(byAtMost: length) else { break }
      end = next
    }
    let range = first..<end
    let info = try decoded(codes: [.invalidArgument]) { () throws(AofError) in
      try ObjectInfo(
        log: LogID(rawValue: source.number()), chunk: ChunkID(rawValue: source.number()),
        generation: Generation(rawValue: source.number()), range: range, frames: frames)
    }
    guard let info else { return }
    var bytes: [UInt8] = []
    info.encode(into: &bytes, crc32c: crc32c)
    let again = try accepted("an info frame that was written") { () throws(AofError) in
      try bytes.withTypedBytes { bytes throws(AofError) in try ObjectInfo(frame: bytes, crc32c: crc32c) }
    }
    try promise(again == info, "an info frame that was written is read otherwise")
  }

  static var seeds: [[UInt8]] {
    let frames = [
      ObjectInfo.Frame(start: 100, length: 131_072, crc32c: 1, time: UnixTime(rawValue: 5)),
      ObjectInfo.Frame(start: 131_172, length: 7, crc32c: 2, time: UnixTime(rawValue: 6)),
    ]
    guard
      let info = try? ObjectInfo(
        log: LogID(rawValue: 2), chunk: ChunkID(rawValue: 0), generation: .first, range: 100..<131_179, frames: frames)
    else { return [] }
    var bytes: [UInt8] = []
    info.encode(into: &bytes, crc32c: crc32c)
    return [bytes, Array(bytes.dropLast()), (0..<120).map { UInt8($0) }]
  }
}

/// The seek table at the end of an object.
enum SeekTableTarget {
  static func run(_ input: [UInt8]) throws(Finding) {
    try decode(input)
    // The table that the same bytes are the entries of.
    var source = ByteSource(input)
    var table = SeekTable()
    while !source.rest.isEmpty {
      table.entries.append(
        SeekTable.Entry(
          compressedSize: max(1, source.number()),
          decompressedSize: UInt32(source.number(in: 1...RemoteFormat.maximumFrameLength))))
    }
    guard !table.entries.isEmpty else { return }
    var bytes = source.bytes(0)
    table.encode(into: &bytes)
    let again = try accepted("a seek table that was written") { () throws(AofError) in
      try bytes.withTypedBytes { bytes throws(AofError) in try SeekTable(tail: bytes) }
    }
    try promise(again == table, "a seek table that was written is read otherwise")
    try decode(bytes)
  }

  private static func decode(_ bytes: [UInt8]) throws(Finding) {
    let table = try decoded(codes: [.corrupt]) { () throws(AofError) in
      try bytes.withTypedBytes { bytes throws(AofError) in try SeekTable(tail: bytes) }
    }
    guard let table else { return }
    var written: [UInt8] = []
    table.encode(into: &written)
    try promise(bytes.count >= written.count && Array(bytes.suffix(written.count)) == written, "a table changed")
    var end: UInt64 = 0
    for index in table.entries.indices.prefix(16) {
      guard let range = table.byteRange(ofFrame: index) else { throw Finding("frame \(index) has no place") }
      try promise(range.lowerBound == end && !range.isEmpty, "frame \(index) is not where the one before ends")
      end = range.upperBound
    }
    try promise(table.byteRange(ofFrame: table.entries.count) == nil, "a frame past the last has a place")
    try promise(end <= table.dataSize && table.dataSize < table.objectSize, "frames past the end of the object")
  }

  static var seeds: [[UInt8]] {
    let table = SeekTable(entries: (1...3).map { SeekTable.Entry(compressedSize: $0 * 1000, decompressedSize: 131_072) })
    var bytes = Array("data before it".utf8)
    table.encode(into: &bytes)
    return [bytes, Array(bytes.suffix(9)), Array(repeating: 1, count: 64)]
  }
}

/// The frame table of the manifest; the first bytes of an input say which run of a log it is of.
enum FrameTableTarget {
  static func run(_ input: [UInt8]) throws(Finding) {
    var source = ByteSource(input)
    let start = LSN(rawValue: source.number(UInt64.self) >> 1)
    let byteCount = Int(truncatingIfNeeded: source.number(UInt64.self) >> 1)
    try decode(Array(source.rest), start: start, byteCount: byteCount)
    try build(&source, start: start)
  }

  private static func decode(_ bytes: [UInt8], start: LSN, byteCount: Int) throws(Finding) {
    let frames = try decoded(codes: [.corrupt, .newerVersion]) { () throws(AofError) in
      try FrameTable.decode(bytes, start: start, byteCount: byteCount)
    }
    guard let frames else { return }
    try promise(FrameTable.encode(frames) == bytes, "a frame table that was read is written otherwise")
    try promise(frames.reduce(0) { $0 + Int($1.length) } == byteCount, "frames that are not the whole run")
    try promise(frames.allSatisfy { 1...Limits.frameSize ~= Int($0.length) }, "a frame larger than the grid's cells")
  }

  /// The table of a run that follows the grid.
  private static func build(_ source: inout ByteSource, start: LSN) throws(Finding) {
    let byteCount = source.number(in: 0...(8 * Limits.frameSize))
    var frames: [FrameRecord] = []
    var room = Limits.frameSize - Int(start.rawValue % UInt64(Limits.frameSize))
    var left = byteCount
    while left > 0 {
      let length = min(left, room)
      frames.append(
        FrameRecord(
          length: UInt32(length), checksum: source.number(), time: UnixTime(rawValue: source.number())))
      left -= length
      room = Limits.frameSize
    }
    let again = try accepted("a frame table that was written") { () throws(AofError) in
      try FrameTable.decode(FrameTable.encode(frames), start: start, byteCount: byteCount)
    }
    try promise(again == frames, "a frame table that was written is read otherwise")
  }

  static var seeds: [[UInt8]] {
    let frames = [
      FrameRecord(length: UInt32(Limits.frameSize), checksum: 1, time: UnixTime(rawValue: 2)),
      FrameRecord(length: 77, checksum: 3, time: UnixTime(rawValue: 4)),
    ]
    var input: [UInt8] = []
    input.append(number: UInt64(0))
    input.append(number: UInt64(Limits.frameSize + 77) << 1)
    return [input + FrameTable.encode(frames), input + [1, 0, 0, 0], Array(repeating: 9, count: 60)]
  }
}

/// Which frames of an extent are resident; the first bytes of an input say how many there are.
enum ResidencyMapTarget {
  static func run(_ input: [UInt8]) throws(Finding) {
    var source = ByteSource(input)
    let count = Int(source.number(UInt16.self))
    let bytes = Array(source.rest)
    guard let map = Bitmap(bytes: bytes, count: count) else {
      return try promise(bytes.count != (count + 7) / 8, "a map of the right length was refused")
    }
    try promise(bytes.count == (count + 7) / 8, "a map of another length was taken")
    try promise(Bitmap(bytes: map.bytes, count: count) == map, "a map that was written is read otherwise")
    let set = (0..<count).filter { map[$0] }
    try promise(set == (0..<count).filter { bytes[$0 >> 3] & (1 << UInt8($0 & 7)) != 0 }, "other bits are set")
    try promise(map.setCount == set.count, "\(map.setCount) bits are counted, \(set.count) are set")
    try promise(map.isFull == (set.count == count) && map.isEmpty == set.isEmpty, "full or empty, and not")
    var copy = Bitmap(count: count, filled: false)
    for index in set { copy[index] = true }
    try promise(copy == map, "the same bits are not the same map")
  }

  static var seeds: [[UInt8]] { [[12, 0, 0xFF, 0xFF], [0, 0], [64, 0] + Array(repeating: 0x55, count: 8), [65, 0]] }
}
