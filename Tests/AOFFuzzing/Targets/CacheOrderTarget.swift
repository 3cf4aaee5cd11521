import AOFCore
import AOFFormat
import AOFSystem

/// What a store remembers of its cache. A file whose checksum is the only thing wrong gets a sound one, or no input would
/// come past it.
enum CacheOrderTarget {
  private static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 { CRC32C.checksum(bytes) }

  static func run(_ input: [UInt8]) throws(Finding) {
    try decode(input)
    var sound = input
    let end = sound.count - 4
    if end > 0 { sound.replace(at: end, with: Array(sound[..<end]).withUnsafeBytes { CRC32C.checksum($0) }) }
    try decode(sound)
  }

  private static func decode(_ bytes: [UInt8]) throws(Finding) {
    let file = try decoded(codes: [.corrupt, .newerVersion]) { () throws(AofError) in
      try bytes.withTypedBytes { bytes throws(AofError) in try CacheOrderFile(decoding: bytes, path: "f", crc32c: checksum) }
    }
    guard let file else { return }
    try promise(file.encoded(crc32c: checksum) == bytes, "an order that was read is written otherwise")
  }

  static var seeds: [[UInt8]] {
    let entries = (0..<3).map { number in
      CacheOrderFile.Entry(
        log: LogID(rawValue: 2), group: UInt64(number), byteCount: 1 << 20, isMain: number == 1, reads: UInt8(number), framesRead: UInt8(number))
    }
    let bytes = CacheOrderFile(entries).encoded(crc32c: checksum)
    return [bytes, Array(bytes.dropLast()), CacheOrderFile([]).encoded(crc32c: checksum)]
  }
}
