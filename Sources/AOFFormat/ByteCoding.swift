/// Little-endian numbers in and out of bytes.
extension UnsafeRawBufferPointer {
  /// The number at `offset`, one of the caller's own constants: memory that comes from outside is measured before
  /// it is read.
  @inline(__always)
  package func number<Number: FixedWidthInteger>(at offset: Int, as type: Number.Type = Number.self) -> Number {
    Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
  }

  /// The number at `offset`, which may itself come from outside; nil if it would not lie within the bytes.
  package func numberIfPresent<Number: FixedWidthInteger>(
    at offset: Int, as type: Number.Type = Number.self
  ) -> Number? {
    guard offset >= 0, offset <= count, count - offset >= MemoryLayout<Number>.size else { return nil }
    return number(at: offset)
  }
}

extension UnsafeMutableRawBufferPointer {
  @inline(__always)
  package func store<Number: FixedWidthInteger>(_ number: Number, at offset: Int) {
    storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
  }
}

extension [UInt8] {
  package mutating func append(littleEndian number: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
  }
}
