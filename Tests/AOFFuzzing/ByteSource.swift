/// Makes values out of a fuzzer's bytes, so that what it mutates is the value. Bytes that are not there are zeros.
struct ByteSource {
  private(set) var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  mutating func number<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) -> Number {
    var number: Number = 0
    for index in 0..<MemoryLayout<Number>.size {
      number |= Number(truncatingIfNeeded: rest.popFirst() ?? 0) << Number(truncatingIfNeeded: index * 8)
    }
    return number
  }

  mutating func bool() -> Bool { number(UInt8.self) & 1 == 1 }

  /// A number of `range`.
  mutating func number(in range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(number(UInt32.self)) % range.count
  }

  /// As many bytes as there are, at most `count`.
  mutating func bytes(_ count: Int) -> [UInt8] {
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }
}

extension [UInt8] {
  /// The low bytes of a number, as ``ByteSource`` reads them.
  mutating func append<Number: FixedWidthInteger>(number: Number) {
    for index in 0..<MemoryLayout<Number>.size {
      append(UInt8(truncatingIfNeeded: number >> Number(truncatingIfNeeded: index * 8)))
    }
  }

  /// Puts a number over the bytes at `offset`, if they are there.
  mutating func replace<Number: FixedWidthInteger>(at offset: Int, with number: Number) {
    guard offset >= 0, offset <= count, count - offset >= MemoryLayout<Number>.size else { return }
    var bytes: [UInt8] = []
    bytes.append(number: number)
    replaceSubrange(offset..<(offset + bytes.count), with: bytes)
  }
}
