import AOFCore

/// What an object says about itself: whose bytes it holds, and checksum and time of each of its frames.
package struct ObjectInfo: Hashable, Sendable {
  package struct Frame: Hashable, Sendable {
    /// The LSN of the first byte.
    package let start: LSN
    /// Bytes in the log.
    package let length: UInt32
    /// CRC32C of the bytes in the log.
    package let crc32c: UInt32
    /// When the append that holds the first byte arrived.
    package let time: UnixTime

    package init(start: LSN, length: UInt32, crc32c: UInt32, time: UnixTime) {
      self.start = start
      self.length = length
      self.crc32c = crc32c
      self.time = time
    }
  }

  package let log: LogID
  package let chunk: ChunkID
  package let generation: Generation
  package let range: Range<LSN>
  /// Consecutive, and together the whole range.
  package let frames: [Frame]

  /// - Throws: `invalidArgument` if the frames are not consecutive, not the whole range, or of impossible
  ///   lengths.
  package init(log: LogID, chunk: ChunkID, generation: Generation, range: Range<LSN>, frames: [Frame])
    throws(AofError)
  {
    if let reason = Self.fault(chunk: chunk, range: range, frames: frames) {
      throw AofError(.invalidArgument, "an object of log \(log), chunk \(chunk) is not possible: \(reason)")
    }
    self.log = log
    self.chunk = chunk
    self.generation = generation
    self.range = range
    self.frames = frames
  }

  /// Why such an object cannot be, or nil if it can.
  private static func fault(chunk: ChunkID, range: Range<LSN>, frames: [Frame]) -> String? {
    guard chunk != .tail else { return "the tail is never an object" }
    guard !range.isEmpty, range.upperBound <= .max else { return "its range is \(range)" }
    guard UInt64(frames.count) <= UInt64(UInt32.max) else { return "it has \(frames.count) frames" }
    var next = range.lowerBound
    for (index, frame) in frames.enumerated() {
      let length = Int(frame.length)
      guard frame.start == next, length > 0, length <= RemoteFormat.maximumFrameLength,
        let end = next.advanced(byAtMost: length)
      else { return "frame \(index) is \(frame.length) bytes at \(frame.start), expected at \(next)" }
      next = end
    }
    return next == range.upperBound ? nil : "its frames end at \(next) instead of \(range.upperBound)"
  }
}

extension ObjectInfo {
  private static let headerSize = 8
  private static let fixedSize = 64
  private static let entrySize = 24
  private static let checksumSize = 4

  package static func encodedSize(frameCount: UInt32) -> Int {
    fixedSize + entrySize * Int(frameCount) + checksumSize
  }

  /// Appends the skippable frame that follows an object's data.
  package func encode(into output: inout [UInt8], crc32c: CRC32CFunction) {
    let count = UInt32(truncatingIfNeeded: frames.count)
    let size = Self.encodedSize(frameCount: count)
    let start = output.count
    output.reserveCapacity(start + size)
    output.append(littleEndian: RemoteFormat.infoFrameMagic)
    output.append(littleEndian: UInt32(truncatingIfNeeded: size - Self.headerSize))
    output.append(contentsOf: RemoteFormat.objectMagic)
    output.append(littleEndian: RemoteFormat.objectVersion)
    output.append(littleEndian: count)
    output.append(littleEndian: log.rawValue)
    output.append(littleEndian: chunk.rawValue)
    output.append(littleEndian: generation.rawValue)
    output.append(littleEndian: UInt32(0))
    output.append(littleEndian: range.lowerBound.rawValue)
    output.append(littleEndian: range.upperBound.rawValue)
    for frame in frames {
      output.append(littleEndian: frame.start.rawValue)
      output.append(littleEndian: frame.length)
      output.append(littleEndian: frame.crc32c)
      output.append(littleEndian: frame.time.rawValue)
    }
    let crc = output.withUnsafeBytes { crc32c(0, UnsafeRawBufferPointer(rebasing: $0[start...])) }
    output.append(littleEndian: crc)
  }

  /// Decodes the info frame that fills `frame` exactly.
  ///
  /// - Throws: `corrupt`; `newerVersion`.
  package init(frame bytes: UnsafeRawBufferPointer, crc32c: CRC32CFunction) throws(AofError) {
    // The frame itself, whatever its version: skippable header, our magic, checksum at the end.
    guard bytes.count >= Self.fixedSize + Self.checksumSize,
      bytes.numberIfPresent(at: 0, as: UInt32.self) == RemoteFormat.infoFrameMagic,
      bytes.numberIfPresent(at: 4, as: UInt32.self).map(Int.init) == bytes.count - Self.headerSize,
      bytes[8..<16].elementsEqual(RemoteFormat.objectMagic)
    else { throw Self.corrupt("it does not begin as one") }
    let content = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - Self.checksumSize)])
    guard bytes.numberIfPresent(at: content.count, as: UInt32.self) == crc32c(0, content) else {
      throw Self.corrupt("its checksum does not match")
    }
    guard let version = bytes.numberIfPresent(at: 16, as: UInt32.self), version >= 1 else {
      throw Self.corrupt("its version is 0")
    }
    guard version <= RemoteFormat.objectVersion else {
      throw AofError(
        .newerVersion,
        "an object has version \(version), this aofs knows up to \(RemoteFormat.objectVersion)",
        remedy: "use the version of aofs that wrote it")
    }
    try self.init(content: bytes, size: bytes.count)
  }

  /// The fields of a version 1 frame whose checksum was found good.
  private init(content: UnsafeRawBufferPointer, size: Int) throws(AofError) {
    guard let count = content.numberIfPresent(at: 20, as: UInt32.self), Self.encodedSize(frameCount: count) == size,
      let log = content.numberIfPresent(at: 24, as: UInt64.self),
      let chunk = content.numberIfPresent(at: 32, as: UInt64.self),
      let generation = content.numberIfPresent(at: 40, as: UInt32.self),
      content.numberIfPresent(at: 44, as: UInt32.self) == 0,
      let first = content.numberIfPresent(at: 48, as: UInt64.self),
      let end = content.numberIfPresent(at: 56, as: UInt64.self), first < end
    else { throw Self.corrupt("its fields disagree") }

    var frames: [Frame] = []
    frames.reserveCapacity(Int(count))
    for offset in stride(from: Self.fixedSize, to: size - Self.checksumSize, by: Self.entrySize) {
      guard let start = content.numberIfPresent(at: offset, as: UInt64.self),
        let length = content.numberIfPresent(at: offset + 8, as: UInt32.self),
        let crc = content.numberIfPresent(at: offset + 12, as: UInt32.self),
        let time = content.numberIfPresent(at: offset + 16, as: Int64.self)
      else { throw Self.corrupt("it is too short") }
      frames.append(
        Frame(start: LSN(rawValue: start), length: length, crc32c: crc, time: UnixTime(rawValue: time)))
    }
    do {
      try self.init(
        log: LogID(rawValue: log), chunk: ChunkID(rawValue: chunk),
        generation: Generation(rawValue: generation),
        range: LSN(rawValue: first)..<LSN(rawValue: end), frames: frames)
    } catch {
      throw Self.corrupt(error.message)
    }
  }

  private static func corrupt(_ reason: String) -> AofError {
    AofError(.corrupt, "the info frame of an object is damaged: \(reason)")
  }
}
