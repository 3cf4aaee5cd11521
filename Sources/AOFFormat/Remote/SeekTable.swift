import AOFCore

/// The seek table of zstd's seekable format: where each data frame of an object lies, and how much it holds.
package struct SeekTable: Hashable, Sendable {
  package struct Entry: Hashable, Sendable {
    /// Bytes in the object.
    package let compressedSize: UInt32
    /// Bytes in the log.
    package let decompressedSize: UInt32

    package init(compressedSize: UInt32, decompressedSize: UInt32) {
      self.compressedSize = compressedSize
      self.decompressedSize = decompressedSize
    }
  }

  package var entries: [Entry]

  package init(entries: [Entry] = []) { self.entries = entries }

  /// The size of the data frames together, which is also the offset of the info frame.
  package var dataSize: UInt64 { entries.reduce(0) { $0 + UInt64($1.compressedSize) } }

  /// The size of the whole object, in bytes.
  package var objectSize: UInt64 {
    dataSize + UInt64(RemoteFormat.trailerSize(frameCount: UInt32(truncatingIfNeeded: entries.count)))
  }

  /// Where in the object frame `index` lies, or nil if there is no such frame. Adds up the entries before it.
  package func byteRange(ofFrame index: Int) -> Range<UInt64>? {
    guard entries.indices.contains(index) else { return nil }
    let start = entries[..<index].reduce(0) { $0 + UInt64($1.compressedSize) }
    return start..<(start + UInt64(entries[index].compressedSize))
  }
}

extension SeekTable {
  /// The last bytes of an object, enough to learn the number of frames.
  package static let footerSize = 9
  private static let headerSize = 8
  private static let entrySize = 8

  package static func encodedSize(frameCount: UInt32) -> Int {
    headerSize + entrySize * Int(frameCount) + footerSize
  }

  /// Appends the skippable frame that ends an object.
  package func encode(into output: inout [UInt8]) {
    let count = UInt32(truncatingIfNeeded: entries.count)
    let size = Self.encodedSize(frameCount: count)
    output.reserveCapacity(output.count + size)
    output.append(littleEndian: RemoteFormat.seekTableMagic)
    output.append(littleEndian: UInt32(truncatingIfNeeded: size - Self.headerSize))
    for entry in entries {
      output.append(littleEndian: entry.compressedSize)
      output.append(littleEndian: entry.decompressedSize)
    }
    output.append(littleEndian: count)
    output.append(0)
    output.append(littleEndian: RemoteFormat.seekableMagic)
  }

  /// The size of the seek table, in bytes, that the last bytes of an object announce.
  ///
  /// `tail` ends where the object ends, and holds at least ``footerSize`` bytes.
  /// - Throws: `corrupt`.
  package static func encodedSize(fromTail tail: UnsafeRawBufferPointer) throws(AofError) -> Int {
    let footer = tail.count - footerSize
    guard let count = tail.numberIfPresent(at: footer, as: UInt32.self),
      let descriptor = tail.numberIfPresent(at: footer + 4, as: UInt8.self),
      let magic = tail.numberIfPresent(at: footer + 5, as: UInt32.self), magic == RemoteFormat.seekableMagic
    else { throw corrupt("it does not end with one") }
    guard descriptor == 0 else { throw corrupt("its descriptor is \(descriptor)") }
    guard count > 0 else { throw corrupt("it has no frames") }
    return encodedSize(frameCount: count)
  }

  /// Decodes the table at the end of `tail`, which ends where the object ends and may begin anywhere before
  /// the table.
  ///
  /// - Throws: `corrupt`; also if `tail` does not hold the whole table.
  package init(tail: UnsafeRawBufferPointer) throws(AofError) {
    let size = try Self.encodedSize(fromTail: tail)
    let start = tail.count - size
    guard start >= 0, tail.numberIfPresent(at: start, as: UInt32.self) == RemoteFormat.seekTableMagic,
      tail.numberIfPresent(at: start + 4, as: UInt32.self).map(Int.init) == size - Self.headerSize
    else { throw Self.corrupt("its header is not where its size says") }

    entries = []
    entries.reserveCapacity((size - Self.headerSize - Self.footerSize) / Self.entrySize)
    for offset in stride(from: start + Self.headerSize, to: tail.count - Self.footerSize, by: Self.entrySize)
    {
      guard let compressed = tail.numberIfPresent(at: offset, as: UInt32.self),
        let decompressed = tail.numberIfPresent(at: offset + 4, as: UInt32.self), compressed > 0,
        decompressed > 0, Int(decompressed) <= RemoteFormat.maximumFrameLength
      else { throw Self.corrupt("entry \(entries.count) is out of range") }
      entries.append(Entry(compressedSize: compressed, decompressedSize: decompressed))
    }
  }

  private static func corrupt(_ reason: String) -> AofError {
    AofError(.corrupt, "the seek table of an object is damaged: \(reason)")
  }
}
